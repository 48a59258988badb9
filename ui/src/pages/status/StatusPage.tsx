import { get } from '../../api/client'
import { useJobs } from '../../api/events'
import { useResource } from '../../api/useResource'
import type { Job, Status } from '../../api/types'
import { Failed, Loading } from '../../parts/States'
import { bytes, count, time } from '../../words'

type Stage = Status['stages'][number]

/** What was received, stored and dropped, and what is being worked on. */
export function StatusPage() {
  const { data, error, reload } = useResource('status', (signal) => get('/api/v1/status', {}, signal))
  const live = useJobs()
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the status" />
  const jobs = [...live, ...data.jobs.filter((j) => !live.some((l) => l.id === j.id))]
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>Status</h1>
          <p className="lead">
            Bulkhead {data.version}, {data.ready ? 'ready' : `not ready: ${data.problem ?? ''}`}. Since {time(data.started)}.
          </p>
        </div>
        <button type="button" className="button" onClick={reload}>
          Refresh
        </button>
      </header>
      <section className="summary">
        <Figure value={count(data.rows)} name="flow records stored" note={data.store} />
        <Figure value={time(data.first)} name="first" note="traffic recorded, UTC" />
        <Figure value={time(data.last)} name="last" note="traffic recorded, UTC" />
        <Figure value={data.auth ? 'on' : 'off'} name="login" note={data.auth ? 'by password or bearer token' : 'only this machine is served'} />
      </section>
      {jobs.length > 0 ? <Jobs jobs={jobs} /> : null}
      <Stages stages={data.stages} />
    </div>
  )
}

function Figure({ value, name, note }: { value: string; name: string; note: string }) {
  return (
    <div className="figure">
      <p>
        <strong>{value}</strong> {name}
      </p>
      <p className="note">{note}</p>
    </div>
  )
}

function Jobs({ jobs }: { jobs: readonly Job[] }) {
  return (
    <section className="card">
      <h2>Work</h2>
      <ul className="plain-list">
        {jobs.slice(0, 20).map((j) => (
          <li key={j.id} className={`job ${j.state}`}>
            <span>{j.name}</span>
            <span className="bar" aria-hidden="true">
              <i style={{ width: j.total > 0 ? `${(100 * j.done) / j.total}%` : j.state === 'done' ? '100%' : '0' }} />
            </span>
            <em>
              {j.unit === 'bytes' ? bytes(j.done) : count(j.done)}
              {j.total > 0 ? ` of ${j.unit === 'bytes' ? bytes(j.total) : count(j.total)}` : ''} · {j.error ?? j.state}
            </em>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** received = passed + deduplicated + dropped; a row where that does not hold says so. */
export function missing(s: Stage): number {
  return s.received - s.passed - s.deduplicated - s.drops.reduce((n, d) => n + d.count, 0)
}

function Stages({ stages }: { stages: readonly Stage[] }) {
  return (
    <section className="card">
      <h2>Nothing is lost silently</h2>
      <p className="note">Each stage counts what it takes in and what it passes on; the difference has a reason.</p>
      {stages.length === 0 ? <p className="note">Nothing has been received since the start.</p> : <StageTable stages={stages} />}
    </section>
  )
}

const stageWords: Readonly<Record<string, string>> = {
  interfaces: 'from the network card',
  capture: 'from the network card',
  sockets: 'exports that arrived',
  datagrams: 'exports decoded',
  sets: 'sets within exports',
  'export records': 'records within exports',
  walk: 'headers read',
  flows: 'packets put into flows',
  biflows: 'both directions joined',
  'seen by several': 'told by more than one sensor',
  conntrack: 'connections of this machine',
  writer: 'stored',
}

function StageTable({ stages }: { stages: readonly Stage[] }) {
  return (
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Stage</th>
              <th scope="col">Sensor</th>
              <th scope="col" className="num">
                Received
              </th>
              <th scope="col" className="num">
                Passed on
              </th>
              <th scope="col" className="num">
                Duplicates
              </th>
              <th scope="col">Dropped, by reason</th>
            </tr>
          </thead>
          <tbody>
            {stages.map((s) => (
              <tr key={s.name + s.sensor}>
                <td title={stageWords[s.name]}>
                  {s.name}
                  {stageWords[s.name] ? <small className="ends">{stageWords[s.name]}</small> : null}
                </td>
                <td>{s.sensor}</td>
                <td className="num">
                  {count(s.received)} <small>{s.unit}</small>
                </td>
                <td className="num">{count(s.passed)}</td>
                <td className="num">{count(s.deduplicated)}</td>
                <td>
                  {s.drops.map((d) => (
                    <span key={d.reason} className="chip">
                      {d.reason} <b>{count(d.count)}</b>
                    </span>
                  ))}
                  {missing(s) !== 0 ? <span className="chip warn">in flight or not accounted {count(missing(s))}</span> : null}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
  )
}
