import { useState } from 'react'
import { ApiError, post } from '../../api/client'
import type { Proposal } from '../../api/types'
import { many } from '../../words'

/** Labels the mapper proposes, to accept or refuse one by one or together. */
export function Proposals({ proposals, onDone }: { proposals: readonly Proposal[]; onDone: () => void }) {
  const [busy, setBusy] = useState(false)
  const [message, setMessage] = useState<string | null>(null)
  const groups = bySameLabel(proposals)
  const decide = async (list: readonly Proposal[], accept: boolean) => {
    setBusy(true)
    try {
      await post('/api/v1/map/labels', { decisions: list.map((p) => ({ node: p.node, key: p.key, value: p.value, accept })) })
      setMessage(`${many(list.length, 'label')} ${accept ? 'accepted' : 'refused'}.`)
      onDone()
    } catch (cause) {
      setMessage(cause instanceof ApiError ? cause.message : String(cause))
    } finally {
      setBusy(false)
    }
  }
  return (
    <section>
      <h3>
        Proposed labels <em>{proposals.length}</em>
      </h3>
      <ul className="proposals">
        {groups.map(([label, list]) => (
          <li key={label}>
            <div>
              <strong>{label}</strong> <small>{list.length === 1 ? list[0]!.name : many(list.length, 'workload')}</small>
              <p>{list[0]!.why}</p>
              <span className="sure" title="confidence">
                <i style={{ width: `${Math.round(mean(list) * 100)}%` }} />
                <b>{Math.round(mean(list) * 100)} %</b>
              </span>
            </div>
            <button type="button" className="button" disabled={busy} onClick={() => void decide(list, true)}>
              Accept
            </button>
            <button type="button" className="button plain" disabled={busy} onClick={() => void decide(list, false)}>
              Refuse
            </button>
          </li>
        ))}
      </ul>
      {message ? <p role="status">{message}</p> : null}
    </section>
  )
}

/** Proposals of one label together, the most frequent first. */
export function bySameLabel(proposals: readonly Proposal[]): [string, Proposal[]][] {
  const groups = new Map<string, Proposal[]>()
  for (const p of proposals) {
    const label = `${p.key}=${p.value}`
    const list = groups.get(label)
    if (list) list.push(p)
    else groups.set(label, [p])
  }
  return [...groups].sort((a, b) => b[1].length - a[1].length || a[0].localeCompare(b[0]))
}

function mean(list: readonly Proposal[]): number {
  return list.reduce((sum, p) => sum + p.confidence, 0) / Math.max(1, list.length)
}
