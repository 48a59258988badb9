import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Reached } from '../../api/types'
import { PriorityMark } from '../../parts/PriorityMark'
import { Failed, Loading } from '../../parts/States'
import { count, percent, shortService } from '../../words'
import type { Scope } from './query'

/** How far a compromise of one workload spreads: today, and under the recommended policy. */
export function ReachPanel({ from, scope, onFind }: { from: string; scope: Scope; onFind: (path: readonly string[]) => void }) {
  const { group: _group, ...window } = scope
  const { data, error, reload } = useResource(`reach ${from} ${JSON.stringify(window)}`, (signal) => get('/api/v1/reach', { ...window, from, level: 'service' }, signal))
  if (error) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="what it can reach" />
  return (
    <section className="reach">
      <h3>If it were taken over</h3>
      <div className="versus">
        <Share label="Today" r={data.today} />
        {data.draft ? <Share label="With the recommended rules" r={data.draft} /> : null}
      </div>
      <Paths r={data.today} heading="Ways to what matters most, today" none="Nothing critical can be reached from here." onFind={onFind} />
      {data.draft ? <Paths r={data.draft} heading="With the recommended rules" none="None is left." onFind={onFind} /> : null}
    </section>
  )
}

function Share({ label, r }: { label: string; r: Reached }) {
  return (
    <div>
      <p className="big">
        {percent(r.reachable, r.inside)} <small>{label}</small>
      </p>
      <p>
        {count(r.reachable)} of {count(r.inside)} workloads
        {r.byHop.length > 0 ? `: ${r.byHop.map((n, i) => `${count(n)} in ${i + 1}`).slice(0, 4).join(', ')} ${r.byHop.length > 1 ? 'steps' : 'step'}` : ''}
      </p>
    </div>
  )
}

function Paths({ r, heading, none, onFind }: { r: Reached; heading: string; none: string; onFind: (path: readonly string[]) => void }) {
  return (
    <>
      <h4>{heading}</h4>
      {r.paths.length === 0 ? <p className="good">{none}</p> : null}
      <ol className="paths">
        {r.paths.slice(0, 5).map((p, i) => (
          <li key={i}>
            {p.nodes.map((n, k) => (
              <span key={n.id} className="hop">
                {k > 0 ? <i>{shortService(p.services[k - 1] ?? '')} →</i> : null}
                <button type="button" className="inline" onClick={() => onFind([n.id])}>
                  {n.name}
                </button>
                {k === p.nodes.length - 1 ? <PriorityMark priority={n.priority} /> : null}
              </span>
            ))}
          </li>
        ))}
      </ol>
    </>
  )
}
