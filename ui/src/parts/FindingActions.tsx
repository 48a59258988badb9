import { useState } from 'react'
import { post, wordsOf } from '../api/client'
import { infraName } from '../words'

interface Props {
  /** Node id, without "node:". */
  node: string
  name: string
  kind: string
  kinds: readonly string[]
  accepted?: boolean
  onDone: () => void
}

/** A person's word on one finding of shared infrastructure: yes, no, or something else. */
export function FindingActions({ node, name, kind, kinds, accepted = false, onDone }: Props) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const say = async (accept: boolean, what: string) => {
    setBusy(true)
    try {
      await post('/api/v1/map/infrastructure', { decisions: [{ node, kind: what, accept }] })
      setProblem(null)
      onDone()
    } catch (cause) {
      setProblem(wordsOf(cause))
    } finally {
      setBusy(false)
    }
  }
  return (
    <span className="finding-actions">
      <select aria-label={`What ${name} is`} disabled={busy} value={kind} onChange={(e) => void say(true, e.target.value)}>
        {kinds.includes(kind) ? null : <option value={kind}>{infraName(kind)}</option>}
        {kinds.map((k) => (
          <option key={k} value={k}>
            {infraName(k)}
          </option>
        ))}
      </select>
      <button type="button" className="button" disabled={busy || accepted} aria-pressed={accepted} onClick={() => void say(true, kind)}>
        {accepted ? 'Accepted' : 'Accept'}
      </button>
      <button type="button" className="button plain" disabled={busy} title="It belongs to an application; keep it there" onClick={() => void say(false, '')}>
        Not shared
      </button>
      {problem ? <span role="alert">{problem}</span> : null}
    </span>
  )
}
