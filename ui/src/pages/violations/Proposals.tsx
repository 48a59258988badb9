import { useState } from 'react'
import { get, post, wordsOf } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { ProposedRule } from '../../api/types'
import { Empty, Failed, Loading } from '../../parts/States'
import { count, many } from '../../words'
import { Decisions } from '../rules/Decisions'
import { RuleRow } from '../rules/PolicyCard'

/** What live policies stopped and should not have: rules with their evidence, and what a person must decide. */
export function ViolationProposals() {
  const { data, error, reload } = useResource('violation proposals', (signal) => get('/api/v1/violations/proposals', {}, signal))
  const [busy, setBusy] = useState(false)
  const [message, setMessage] = useState<string | null>(null)
  if (error?.code === 'not-found') {
    return (
      <Empty title="No saved policy to judge by">
        <p>Keep what is in force, so that what was stopped can be turned into rules:</p>
        <pre>bulkhead policy save policy.yaml</pre>
      </Empty>
    )
  }
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="what violations speak for" />
  const accept = async (list: readonly ProposedRule[]) => {
    setBusy(true)
    try {
      const { saved } = await post('/api/v1/violations/proposals', { accept: list.map((r) => `${r.policy}/${r.rule.name}`) })
      setMessage(`Saved in ${saved.join(', ')}. It takes effect when the policy is applied.`)
      reload()
    } catch (cause) {
      setMessage(wordsOf(cause))
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      {data.notes.map((n) => (
        <p key={n} className="hint">
          {n}
        </p>
      ))}
      {message ? <p role="status">{message}</p> : null}
      {data.rules.length === 0 && data.decisions.length === 0 ? (
        <Empty title="Nothing to propose">
          <p>Whatever live policies stopped is either covered by now, or was rightly stopped.</p>
        </Empty>
      ) : null}
      {data.rules.length > 0 ? (
        <section className="card">
          <h2>
            Seen in monitor, missed in discovery <em>{data.rules.length}</em>
          </h2>
          <ul className="proposed-rules">
            {data.rules.map((r) => (
              <li key={r.policy + r.rule.name}>
                <div className="proposed-head">
                  <span>
                    <strong>{r.policy}</strong> <span className="stage">{r.origin}</span> <em>{many(r.violations, 'violation')}</em>
                  </span>
                  <button type="button" className="button" disabled={busy} onClick={() => void accept([r])}>
                    Accept
                  </button>
                </div>
                <p className="note">{r.why}</p>
                <ul className="rules">
                  <RuleRow rule={r.rule} />
                </ul>
              </li>
            ))}
          </ul>
          {data.rules.length > 1 ? (
            <button type="button" className="button primary" disabled={busy} onClick={() => void accept(data.rules)}>
              Accept all {count(data.rules.length)}
            </button>
          ) : null}
        </section>
      ) : null}
      {data.decisions.length > 0 ? <Decisions decisions={data.decisions} onDone={reload} /> : null}
    </>
  )
}
