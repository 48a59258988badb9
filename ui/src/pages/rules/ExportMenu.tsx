import { useRef, useState } from 'react'
import { get, queryString } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { ExportFormat, Level } from '../../api/types'
import { Failed, Loading } from '../../parts/States'
import { bytes, many } from '../../words'

interface Scope {
  level: Level
  since?: string
  base?: 'saved'
}

const reports = ['markdown', 'html', 'csv', 'json']

/** Writes the recommendation in another form; says what that form cannot say before it is kept. */
export function ExportMenu({ scope }: { scope: Scope }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [chosen, setChosen] = useState<string | null>(null)
  const { data, error, reload } = useResource('exports', (signal) => get('/api/v1/exports', {}, signal))
  const formats = data?.formats ?? []
  const group = (heading: string, list: readonly ExportFormat[]) =>
    list.length === 0 ? null : (
      <>
        <h3>{heading}</h3>
        <ul>
          {list.map((f) => (
            <li key={f.name}>
              <button type="button" className="choice" aria-pressed={chosen === f.name} onClick={() => setChosen(f.name)}>
                {f.title}
              </button>
            </li>
          ))}
        </ul>
      </>
    )
  return (
    <>
      <button type="button" className="button" onClick={() => dialog.current?.showModal()}>
        Export…
      </button>
      <dialog ref={dialog} className="export" aria-label="Export" onClick={(e) => e.target === e.currentTarget && e.currentTarget.close()}>
        <header>
          <h2>Export these rules</h2>
          <button type="button" className="button plain" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </header>
        {error ? <Failed error={error} retry={reload} /> : null}
        <div className="formats">
          <div className="choices">
            <h3>For Bulkhead</h3>
            <ul>
              <li>
                <a className="choice" href={`/api/v1/recommendation/policy${queryString({ ...scope })}`} download={`bulkhead-${scope.level}.yaml`}>
                  Policy documents (YAML) ↓
                </a>
              </li>
            </ul>
            {group('For a reviewer', formats.filter((f) => reports.includes(f.name)))}
            {group('For another enforcement point', formats.filter((f) => !reports.includes(f.name)))}
          </div>
          {chosen === null ? <p className="note">Choose a form to see how it begins and what it cannot say.</p> : <Preview key={chosen} name={chosen} scope={scope} />}
        </div>
      </dialog>
    </>
  )
}

/** How the file begins, what it cannot say, and the way to keep it. */
function Preview({ name, scope }: { name: string; scope: Scope }) {
  const { data, error, reload } = useResource(`export ${name} ${JSON.stringify(scope)}`, (signal) => get('/api/v1/exports/{format}/preview', { ...scope }, signal, { format: name }))
  if (error) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the file" />
  return (
    <figure>
      <figcaption>
        <span>
          bulkhead-{scope.level}
          {data.format.extension} <em>{bytes(data.bytes)}</em>
        </span>
        <a className="button primary" href={`/api/v1/exports/${encodeURIComponent(name)}${queryString({ ...scope })}`} download>
          Download
        </a>
      </figcaption>
      {data.losses.length === 0 ? (
        <p className="good">Says everything these rules say.</p>
      ) : (
        <details className="losses" open={data.losses.length <= 6}>
          <summary className="warn">{many(data.losses.length, 'thing')} this form cannot say; the file lists them too</summary>
          <ul>
            {data.losses.map((l, i) => (
              <li key={i}>{l}</li>
            ))}
          </ul>
        </details>
      )}
      <pre tabIndex={0}>{data.text}</pre>
    </figure>
  )
}
