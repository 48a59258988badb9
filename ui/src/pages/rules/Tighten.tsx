import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Level } from '../../api/types'
import { Failed, Loading } from '../../parts/States'
import { count, many } from '../../words'

/** What going one level down newly closes. */
export function Tighten({ scope: { level, since } }: { scope: { level: Level; since?: string } }) {
  const scope = { level, ...(since ? { since } : {}) }
  const last = scope.level === 'workload'
  const { data, error, reload } = useResource(last ? null : `tighten ${JSON.stringify(scope)}`, (signal) => get('/api/v1/recommendation/tighten', scope, signal))
  if (last) return <p className="note">Nothing is tighter than rules from workload to workload.</p>
  if (error) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the difference" />
  const [before, after] = data.rules
  return (
    <section className="card">
      <h2>
        From {data.from} to {data.to}
      </h2>
      <p className="note">
        {many(before ?? 0, 'rule')} become {many(after ?? 0, 'rule')}. {data.total === 0 ? 'Nothing passes that did not, and nothing stops that passed.' : many(data.total, 'change') + ' in what can reach what:'}
      </p>
      <ul className="changes">
        {data.changes.map((c) => (
          <li key={c.words} className={c.opens ? 'opens' : 'closes'}>
            <span className="sign">{c.opens ? 'opens' : 'closes'}</span> {c.words}
          </li>
        ))}
      </ul>
      {data.total > data.changes.length ? <p className="note">{count(data.changes.length)} of {count(data.total)} shown.</p> : null}
    </section>
  )
}
