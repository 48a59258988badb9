import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { PolicyChange } from '../../api/types'
import { Empty, Failed, Loading } from '../../parts/States'
import { useAddress } from '../../url'
import { many, time } from '../../words'
import { ChangeView } from './ChangeView'

/** Every change of policy: what was planned, how far it is, and what came of it. */
export function ChangesPage() {
  const [address, change] = useAddress()
  const id = address.query.get('id')
  const { data, error, loading, reload } = useResource('changes', (signal) => get('/api/v1/changes', {}, signal))
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the changes" />
  return (
    <div className="page" aria-busy={loading}>
      <header className="page-head">
        <div>
          <h1>Changes</h1>
          <p className="lead">Planned, taken in segments from least to most risky, confirmed, watched for 48 hours, and always with a way back.</p>
        </div>
      </header>
      {data.changes.length === 0 ? <None /> : null}
      <ul>
        {data.changes.map((c) => (
          <li key={c.id} className="card change">
            <button type="button" className="change-head" aria-expanded={id === c.id} onClick={() => change({ id: id === c.id ? undefined : c.id })}>
              <span className={`state-chip ${c.state.replace(/ /g, '-')}`}>{stateWords[c.state]}</span>
              <span>
                <strong>{c.reason === '' ? c.id : c.reason}</strong>
                <small className="ends">
                  {c.author}, {time(c.created)} · {many(c.segments, 'segment')}
                  {c.hosts.length > 0 ? ` · ${hostWords(c)}` : ''}
                </small>
              </span>
            </button>
            {id === c.id ? <ChangeView id={c.id} /> : null}
          </li>
        ))}
      </ul>
    </div>
  )
}

const stateWords: Readonly<Record<PolicyChange['state'], string>> = {
  planned: 'Planned',
  applied: 'Waits to be confirmed',
  'partly confirmed': 'Under way',
  confirmed: 'Confirmed',
  'rolled-back': 'Rolled back',
}

function hostWords(c: PolicyChange): string {
  const done = c.hosts.filter((h) => h.state === 'confirmed').length
  return `confirmed on ${done} of ${many(c.hosts.length, 'host')}`
}

function None() {
  return (
    <Empty title="No changes yet">
      <p>A change begins with a plan: what it opens and closes, what recorded traffic says it would stop, and in which order to take it.</p>
      <pre>bulkhead change plan policy.yaml</pre>
    </Empty>
  )
}
