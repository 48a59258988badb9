import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { AttackPath, Reached } from '../../api/types'
import { PriorityMark } from '../../parts/PriorityMark'
import { Failed, Loading } from '../../parts/States'
import { count, percent, shortService } from '../../words'
import type { Scope } from './query'
import type { Trace } from './selection'

interface Props {
  /** A node, or labels. */
  from: string
  scope: Scope
  trace: Trace | null
  onTrace: (t: Trace | null) => void
}

/** How far a compromise spreads: today, and under the recommended policy. A path that is chosen is shown on the map. */
export function ReachPanel({ from, scope, trace, onTrace }: Props) {
  const { data, error, reload } = useResource(`reach ${from} ${JSON.stringify(scope)}`, (signal) => get('/api/v1/reach', { ...scope, from, level: 'service' }, signal))
  if (error) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="what it can reach" />
  return (
    <section className="reach">
      <h3>If it were taken over</h3>
      <div className="versus">
        <Share label="Today" r={data.today} />
        {data.draft ? <Share label="With the recommended rules" r={data.draft} /> : null}
      </div>
      <Paths r={data.today} heading="Ways to what matters most, today" none="Nothing critical can be reached from here." trace={trace} onTrace={onTrace} />
      {data.draft ? <Paths r={data.draft} heading="With the recommended rules" none="None is left." trace={trace} onTrace={onTrace} /> : null}
    </section>
  )
}

function Share({ label, r }: { label: string; r: Reached }) {
  const hops = r.byHop.map((n, i) => `${count(n)} in ${i + 1}`).slice(0, 4)
  return (
    <div>
      <p className="big">
        {percent(r.reachable, r.inside)} <small>{label}</small>
      </p>
      <p>
        {count(r.reachable)} of {count(r.inside)} workloads
        {hops.length > 0 ? `: ${hops.join(', ')} ${hops.length > 1 ? 'steps' : 'step'}` : ''}
      </p>
    </div>
  )
}

interface PathsProps extends Omit<Props, 'from' | 'scope'> {
  r: Reached
  heading: string
  none: string
}

function Paths({ r, heading, none, trace, onTrace }: PathsProps) {
  return (
    <>
      <h4>{heading}</h4>
      {r.paths.length === 0 ? <p className="good">{none}</p> : null}
      <ol className="paths">
        {r.paths.slice(0, 8).map((p) => {
          const own = p.nodes.map((n) => n.boxes)
          const shown = JSON.stringify(trace) === JSON.stringify(own)
          return (
            <li key={p.nodes.map((n) => n.id).join(' ')}>
              <button type="button" className="path" aria-pressed={shown} title="Show on the map" onClick={() => onTrace(shown ? null : own)}>
                <Hops path={p} />
              </button>
            </li>
          )
        })}
      </ol>
    </>
  )
}

function Hops({ path }: { path: AttackPath }) {
  return (
    <>
      {path.nodes.map((n, k) => (
        <span key={n.id} className="hop">
          {k > 0 ? <i>{shortService(path.services[k - 1] ?? '')} →</i> : null}
          {n.name}
          {k === path.nodes.length - 1 ? <PriorityMark priority={n.priority} /> : null}
        </span>
      ))}
    </>
  )
}
