import { useState } from 'react'
import { get, post, wordsOf } from '../api/client'
import { useResource } from '../api/useResource'
import type { Document } from '../api/types'
import { many, time } from '../words'
import { DiffLines } from './DiffLines'
import { Failed, Loading } from './States'

interface Props {
  kind: string
  name: string
  /** What the document is called, for "no version yet". */
  what: string
}

/** Every version of a document with who, when and why; what each changed; and the way back to it. */
export function History({ kind, name, what }: Props) {
  const path = { kind, name }
  const { data, error, reload } = useResource(`history ${kind} ${name}`, (signal) => get('/api/v1/documents/{kind}/{name}/versions', {}, signal, path))
  const [open, setOpen] = useState<number | null>(null)
  if (error?.code === 'not-found') return <p className="note">Nobody has changed {what} yet.</p>
  if (error) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the history" />
  const newest = data.versions[0]?.version ?? 0
  return (
    <ol className="versions">
      {data.versions.map((d) => (
        <li key={d.version}>
          <button type="button" className="version" aria-expanded={open === d.version} onClick={() => setOpen(open === d.version ? null : d.version)}>
            <strong>{d.version}</strong>
            <span>{d.reason ?? 'no reason given'}</span>
            <em>
              {d.author}, {time(d.time)}
            </em>
          </button>
          {open === d.version ? <Version doc={d} newest={newest} onRestored={reload} /> : null}
        </li>
      ))}
      <li className="note">{many(data.versions.length, 'version')}, none ever lost.</li>
    </ol>
  )
}

function Version({ doc, newest, onRestored }: { doc: Document; newest: number; onRestored: () => void }) {
  const path = { kind: doc.kind, name: doc.name }
  const [against, setAgainst] = useState<'before' | 'now'>('before')
  const span = against === 'before' ? { to: doc.version } : { from: newest, to: doc.version }
  const { data, error, reload } = useResource(doc.version === 1 && against === 'before' ? null : `diff ${JSON.stringify([path, span])}`, (signal) =>
    get('/api/v1/documents/{kind}/{name}/diff', span, signal, path),
  )
  const [problem, setProblem] = useState<string | null>(null)
  const [asking, setAsking] = useState(false)
  const restore = () =>
    post('/api/v1/documents/{kind}/{name}/restore', { version: doc.version, base: newest }, {}, path).then(
      () => {
        setAsking(false)
        onRestored()
      },
      (cause: unknown) => setProblem(wordsOf(cause)),
    )
  return (
    <div className="version-body">
      {doc.version < newest ? (
        <div className="actions">
          <button type="button" className="button" aria-pressed={against === 'before'} onClick={() => setAgainst('before')}>
            What it changed
          </button>
          <button type="button" className="button" aria-pressed={against === 'now'} onClick={() => setAgainst('now')}>
            What going back to it would change
          </button>
          {asking ? (
            <button type="button" className="button danger" onClick={() => void restore()}>
              Yes, restore version {doc.version}
            </button>
          ) : (
            <button
              type="button"
              className="button"
              onClick={() => {
                setAgainst('now')
                setAsking(true)
              }}
            >
              Restore…
            </button>
          )}
        </div>
      ) : null}
      {problem ? <p role="alert">{problem}</p> : null}
      {doc.version === 1 && against === 'before' ? <p className="note">The first version.</p> : error ? <Failed error={error} retry={reload} /> : data ? <DiffLines lines={data.lines} total={data.total} /> : <Loading what="the difference" />}
    </div>
  )
}
