import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Readiness } from '../../api/types'
import { Meter } from '../../parts/Meter'
import { Empty, Failed, Loading } from '../../parts/States'
import { count, many, service, time } from '../../words'

/** Whether traffic has been watched long enough to enforce. */
export function ReadinessTab({ since }: { since: string | undefined }) {
  const scope = since ? { since } : {}
  const { data, error, reload } = useResource(`readiness ${JSON.stringify(scope)}`, (signal) => get('/api/v1/readiness', scope, signal))
  if (error) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="how much may still be unseen" />
  const all = data.readiness.find((r) => r.policy === '')
  if (!all) {
    return (
      <Empty title="Nothing to judge yet">
        <p>No dependency of a protected workload has been seen in this window.</p>
      </Empty>
    )
  }
  return (
    <>
      <Overall r={all} />
      <PerPolicy list={data.readiness.filter((r) => r.policy !== '')} />
      {all.rare.length > 0 ? <RareList r={all} /> : null}
    </>
  )
}

/** A number of dependencies that is an estimate: whole, or one digit when small. */
function about(n: number): string {
  return n >= 10 ? count(n) : n.toFixed(1)
}

function Overall({ r }: { r: Readiness }) {
  return (
    <section className="card">
      <h2>Have we watched long enough?</h2>
      <p>{r.words}</p>
      <div className="summary flat">
        <Meter label="of the next day’s traffic has been seen before" part={Math.round(r.coverage * 1000)} whole={1000} unit="dependency sightings (Good–Turing)" />
        <div className="figure">
          <p>
            <strong>{about(r.unseen)}</strong> dependencies not seen yet
          </p>
          <p className="note">
            {about(r.unseenLow)} to {about(r.unseenHigh)} with 95 % confidence (Chao2); {count(r.observed)} seen on {many(r.days, 'day')}
          </p>
        </div>
        <div className="figure">
          <p>
            <strong>{about(r.atRisk)}</strong> at risk in {r.horizonDays} days
          </p>
          <p className="note">
            {r.atRiskLow !== undefined && r.atRiskHigh !== undefined && r.atRiskHigh > 0 ? `${about(r.atRiskLow)} to ${about(r.atRiskHigh)}; ` : ''}
            {r.halveAfterDays > 0 ? `watching ${many(r.halveAfterDays, 'more day')} halves that` : 'nothing to gain by watching on'}
          </p>
        </div>
        <div className="figure">
          <p>
            <strong>{r.fullMonth ? 'yes' : 'no'}</strong> a full month watched
          </p>
          <p className="note">
            {r.monthly ? `${many(r.monthly, 'dependency', 'dependencies')} seen at a month’s end only; ` : ''}
            {r.fullMonth ? 'month-end work has had its chance' : 'what runs once a month may not have come yet'}
          </p>
        </div>
      </div>
    </section>
  )
}

function PerPolicy({ list }: { list: readonly Readiness[] }) {
  const sorted = [...list].sort((a, b) => b.atRisk - a.atRisk || a.policy.localeCompare(b.policy))
  return (
    <section className="card">
      <h2>
        Per policy <em>{list.length}</em>
      </h2>
      <p className="note">
        Riskiest first. <a href="/map?shade=readiness">See it on the map</a>
      </p>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Policy</th>
              <th scope="col" className="num">
                Seen
              </th>
              <th scope="col" className="num">
                On one day only
              </th>
              <th scope="col" className="num">
                Unseen, about
              </th>
              <th scope="col" className="num">
                At risk
              </th>
              <th scope="col" className="num">
                Days to halve
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((r) => (
              <tr key={r.policy}>
                <td title={r.words}>{r.policy}</td>
                <td className="num">{count(r.observed)}</td>
                <td className="num">{count(r.once)}</td>
                <td className="num">{about(r.unseen)}</td>
                <td className="num">{about(r.atRisk)}</td>
                <td className="num">{r.halveAfterDays === 0 ? '–' : count(r.halveAfterDays)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function RareList({ r }: { r: Readiness }) {
  return (
    <section className="card">
      <h2>Seen on one day only</h2>
      <ul className="plain-list">
        {r.rare.map((d) => (
          <li key={d.from + d.to + d.service}>
            {d.from} → {d.to} <strong>{service(d.service)}</strong> <em>{time(d.day).slice(0, 10)}</em>
            {d.monthEnd ? <span className="chip">probably monthly</span> : null}
          </li>
        ))}
      </ul>
    </section>
  )
}
