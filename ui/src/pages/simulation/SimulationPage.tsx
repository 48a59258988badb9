import { useState } from 'react'
import { ApiError, get, post } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Simulation } from '../../api/types'
import { LevelPick, levelOf } from '../../parts/LevelPick'
import { Failed, Loading } from '../../parts/States'
import { useAddress } from '../../url'
import { time } from '../../words'
import { Outcome } from './Outcome'

/** A policy replayed over recorded traffic: the recommendation's, or one of your own. */
export function SimulationPage() {
  const [address, change] = useAddress()
  const level = levelOf(address.query)
  const since = address.query.get('since') ?? undefined
  const scope = { level, ...(since ? { since } : {}) }
  const [own, setOwn] = useState<Simulation | null>(null)
  const { data, error, loading, reload } = useResource(`simulation ${JSON.stringify(scope)}`, (signal) => get('/api/v1/simulation', scope, signal))
  const shown = own ?? data
  return (
    <div className="page" aria-busy={loading}>
      <header className="page-head">
        <div>
          <h1>Simulation</h1>
          <p className="lead">
            What {own ? 'your policy' : 'the recommended rules'} would have done to the recorded traffic
            {shown ? `, ${time(shown.since)} to ${time(shown.until)}` : ''}.
          </p>
        </div>
        <LevelPick
          level={level}
          onChange={(l) => {
            setOwn(null)
            change({ level: l })
          }}
        />
      </header>
      <OwnPolicy since={since} onResult={setOwn} active={own !== null} />
      {error && !shown ? <Failed error={error} retry={reload} /> : null}
      {!shown && !error ? <Loading what="recorded traffic under these rules" /> : null}
      {shown ? <Outcome sim={shown} chosen={address.query.get('class')} onChoose={(c) => change({ class: c })} /> : null}
    </div>
  )
}

/** Lets a person paste a policy and replay it. */
function OwnPolicy({ since, onResult, active }: { since: string | undefined; onResult: (s: Simulation | null) => void; active: boolean }) {
  const [text, setText] = useState('')
  const [problem, setProblem] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const run = async () => {
    setBusy(true)
    try {
      onResult(await post('/api/v1/simulation', { policy: text }, { since }))
      setProblem(null)
    } catch (cause) {
      setProblem(cause instanceof ApiError ? cause.message : String(cause))
    } finally {
      setBusy(false)
    }
  }
  return (
    <details className="own">
      <summary>Try a policy of your own</summary>
      <textarea rows={12} spellCheck={false} aria-label="Policy in YAML" placeholder="apiVersion: bulkhead/v1&#10;kind: Policy&#10;…" value={text} onChange={(e) => setText(e.target.value)} />
      {problem ? <pre role="alert">{problem}</pre> : null}
      <div className="actions">
        <button type="button" className="button primary" disabled={busy || text.trim() === ''} onClick={() => void run()}>
          {busy ? 'Replaying…' : 'Replay'}
        </button>
        {active ? (
          <button type="button" className="button" onClick={() => onResult(null)}>
            Back to the recommendation
          </button>
        ) : null}
      </div>
    </details>
  )
}
