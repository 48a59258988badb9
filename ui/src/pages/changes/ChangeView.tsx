import { useState } from 'react'
import { get, queryString } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { PolicyChangeDetail } from '../../api/types'
import { DiffLines } from '../../parts/DiffLines'
import { PriorityMark } from '../../parts/PriorityMark'
import { Failed, Loading } from '../../parts/States'
import { count, many, service, time, title } from '../../words'

/** One change: its watch first, then what it does, its segments, and every step. */
export function ChangeView({ id }: { id: string }) {
  const { data, error, reload } = useResource(`change ${id}`, (signal) => get('/api/v1/changes/{id}', {}, signal, { id }))
  if (error) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the change" />
  return (
    <div className="change-body">
      {data.watch ? <Watch data={data} /> : null}
      <Forecast data={data} />
      <section>
        <h3>What it opens and closes</h3>
        {data.effects.length === 0 ? (
          <p className="note">Nobody can reach more or less than before.</p>
        ) : (
          <ul className="plain-list">
            {data.effects.map((e) => (
              <li key={e}>{e}</li>
            ))}
          </ul>
        )}
      </section>
      <Segments data={data} />
      {data.hosts.length > 0 ? <Hosts data={data} /> : null}
      {data.ruleset.length > 0 ? (
        <details>
          <summary>What changes in the kernel that planned it ({many(data.ruleset.length, 'line')})</summary>
          <DiffLines lines={data.ruleset} />
        </details>
      ) : null}
      <Steps data={data} />
    </div>
  )
}

/** The 48 hours after: is more being stopped than was forecast? */
function Watch({ data }: { data: PolicyChangeDetail }) {
  const w = data.watch
  const [all, setAll] = useState(false)
  if (!w) return null
  const some = all ? w.rows : w.rows.slice(0, 8)
  return (
    <section>
      <h3>{w.over ? 'Was watched until' : 'Watched until'} {time(w.until)}</h3>
      <div className="summary flat">
        <div className="figure">
          <p>
            <strong className={w.unforeseen > 0 ? 'warn' : 'good'}>{count(w.unforeseen)}</strong> not foreseen
          </p>
          <p className="note">stopped, and the forecast did not name it</p>
        </div>
        <div className="figure">
          <p>
            <strong>{count(w.foreseen)}</strong> as forecast
          </p>
          <p className="note">stopped, and the plan said so</p>
        </div>
        <div className="figure">
          <p>
            <strong>{w.over ? 'ended' : 'runs'}</strong> the watch
          </p>
          <p className="note">since {time(w.since)}</p>
        </div>
      </div>
      {w.rows.length > 0 ? (
        <div className="scroll">
          <table>
            <caption>Not foreseen, most reported first</caption>
            <thead>
              <tr>
                <th scope="col">Client</th>
                <th scope="col">Server</th>
                <th scope="col">Service</th>
                <th scope="col">Policy</th>
                <th scope="col" className="num">
                  Reports
                </th>
                <th scope="col">Last</th>
              </tr>
            </thead>
            <tbody>
              {some.map((r) => (
                <tr key={r.client.id + r.server.id + r.service}>
                  <td>
                    <a href={`/map${queryString({ box: r.client.id, focus: r.client.id })}`}>{r.client.name}</a>
                  </td>
                  <td>{r.server.name}</td>
                  <td>{service(r.service)}</td>
                  <td>{r.policy}</td>
                  <td className="num">{count(r.count)}</td>
                  <td className="when">{time(r.last)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {w.rows.length > some.length ? (
        <button type="button" className="button plain" onClick={() => setAll(true)}>
          Show {w.rows.length}
        </button>
      ) : null}
    </section>
  )
}

function Forecast({ data }: { data: PolicyChangeDetail }) {
  const f = data.forecast
  if (f.until === '') return <p className="note">Planned without recorded traffic: what it stops is not known.</p>
  return (
    <section>
      <h3>Forecast</h3>
      <p>
        Of the traffic from {time(f.since)} to {time(f.until)} it stops{' '}
        <strong className={f.legitimate.dependencies > 0 ? 'warn' : 'good'}>{many(f.legitimate.dependencies, 'dependency', 'dependencies')} that {f.legitimate.dependencies === 1 ? 'looks' : 'look'} legitimate</strong>,{' '}
        {count(f.expected.dependencies)} that a person decided about or must, and {many(f.stopped.connections, 'attempt')} nobody answered.
      </p>
      {f.violations.length > 0 ? (
        <details>
          <summary>What will be reported once it is in force ({f.violations.length})</summary>
          <ul className="plain-list">
            {f.violations.slice(0, 50).map((v) => (
              <li key={v.client + v.server + v.service}>
                {v.client} → {v.server} <strong>{service(v.service)}</strong> <em>{count(v.connections)}</em> {v.concern === '' ? <span className="concern none">Looks legitimate</span> : <span className="concern">{title(v.concern)}</span>}
              </li>
            ))}
          </ul>
        </details>
      ) : null}
    </section>
  )
}

function Segments({ data }: { data: PolicyChangeDetail }) {
  return (
    <section>
      <h3>Segments, least risky first</h3>
      <ol className="segments">
        {data.plan.map((s, i) => (
          <li key={s.policy}>
            <b>{i + 1}</b>
            <div>
              <strong>{s.policy}</strong> <span className="stage">{s.kind}</span> <PriorityMark priority={s.priority} />
              <small className="ends">
                {many(s.workloads, 'workload')}, {count(s.dependents)} depend on them
                {s.breaks.dependencies > 0 ? `; breaks ${many(s.breaks.dependencies, 'dependency', 'dependencies')} that look legitimate` : ''}
                {s.canary.length > 0 ? `; first on ${s.canary.slice(0, 3).join(', ')}${s.canary.length > 3 ? ` and ${s.canary.length - 3} more` : ''}` : ''}
              </small>
              <small className="ends">{s.why.join('; ')}</small>
            </div>
          </li>
        ))}
      </ol>
    </section>
  )
}

function Hosts({ data }: { data: PolicyChangeDetail }) {
  return (
    <section>
      <h3>Hosts</h3>
      <ul className="plain-list">
        {data.hosts.map((h) => (
          <li key={h.host}>
            <strong>{h.host}</strong> {h.state === 'applied' ? <span className="warn">applied, waits to be confirmed</span> : h.state}
            {h.segment > 0 ? <em> up to segment {h.segment} of {data.segments}</em> : null}
          </li>
        ))}
      </ul>
      {data.hosts.some((h) => h.state === 'applied') ? (
        <p className="note">
          Not confirmed in time, the kernel itself falls back. On the host: <code>bulkhead confirm</code>, or <code>bulkhead rollback</code>.
        </p>
      ) : null}
    </section>
  )
}

function Steps({ data }: { data: PolicyChangeDetail }) {
  return (
    <section>
      <h3>Every step</h3>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Time (UTC)</th>
              <th scope="col">What</th>
              <th scope="col">Where</th>
              <th scope="col">By</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {data.steps.map((s, i) => (
              <tr key={i}>
                <td className="when">{time(s.time)}</td>
                <td>
                  {title(s.event)}
                  {s.segment > 0 ? <small> up to segment {s.segment}</small> : null}
                </td>
                <td>{s.host}</td>
                <td>{s.by}</td>
                <td>{s.why}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
