import { useState } from 'react'
import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { LinkDetail, Ref } from '../../api/types'
import { Failed, Loading } from '../../parts/States'
import { bytes, count, evidence, infraName, many, service, time, title } from '../../words'
import { Flows } from './Flows'
import type { Level } from '../../api/types'
import type { Scope } from './query'
import type { Selection } from './selection'

interface Props {
  from: string
  to: string
  scope: Scope & { draft?: Level }
  onSelect: (s: Selection) => void
}

/** What one box uses of another: services, how much, since when, and how sure the direction is. */
export function LinkPanel({ from, to, scope, onSelect }: Props) {
  const { data: d, error, reload } = useResource(`link ${from} ${to} ${JSON.stringify(scope)}`, (signal) => get('/api/v1/map/link', { ...scope, from, to }, signal))
  const [opened, setOpened] = useState<string | null>(null)
  const { draft: _draft, ...window } = scope
  if (error) return <Failed error={error} retry={reload} />
  if (!d) return <Loading what="the link" />
  return (
    <>
      <header>
        <p className="kicker">Dependency</p>
        <h2>
          <button type="button" className="inline" onClick={() => onSelect({ box: from })}>
            {refName(d.from)}
          </button>{' '}
          <span className="arrow" aria-label="uses">
            →
          </span>{' '}
          <button type="button" className="inline" onClick={() => onSelect({ box: to })}>
            {refName(d.to)}
          </button>
        </h2>
        <div className="actions">
          <button type="button" className="button plain" onClick={() => onSelect(null)} aria-label="Close details">
            Close
          </button>
        </div>
      </header>
      <Facts d={d} />
      <section>
        <h3>
          Services <em>{d.services.length}</em>
        </h3>
        <ul className="services deep">
          {d.services.map((s) => (
            <li key={s.service}>
              <button type="button" aria-expanded={opened === s.service} onClick={() => setOpened(opened === s.service ? null : s.service)}>
                <span>{service(s.service)}</span>
                <em>{many(s.flows, 'flow')}</em>
                <small>
                  {many(s.clients, 'client')} → {many(s.servers, 'server')} · {bytes(s.bytes)} · {many(s.days, 'day')} seen
                </small>
              </button>
              {opened === s.service ? <Flows from={from} to={to} service={s.service} scope={window} /> : null}
            </li>
          ))}
        </ul>
      </section>
      <Dependencies d={d} />
    </>
  )
}

function refName(r: Ref): string {
  if (r.kind === 'infrastructure') return infraName(r.name)
  return r.kind === 'workload' || r.kind === 'address' ? r.name : title(r.name)
}

function Facts({ d }: { d: LinkDetail }) {
  return (
    <section className="facts">
      <dl>
        <dt>Flows</dt>
        <dd>{count(d.stats.flows)}</dd>
      </dl>
      <dl>
        <dt>Bytes</dt>
        <dd>{bytes(d.stats.bytes)}</dd>
      </dl>
      <dl>
        <dt>First seen</dt>
        <dd>{time(d.stats.first)}</dd>
      </dl>
      <dl>
        <dt>Last seen</dt>
        <dd>{time(d.stats.last)}</dd>
      </dl>
      <dl>
        <dt>Seen by</dt>
        <dd>{many(d.stats.sensors, 'observation point')}</dd>
      </dl>
      <dl>
        <dt>Days seen</dt>
        <dd>{count(d.stats.days)}</dd>
      </dl>
      <dl className="wide">
        <dt>Direction known from</dt>
        <dd>
          {evidence(d.stats.evidence)} <Sure value={d.stats.confidence} />
        </dd>
      </dl>
    </section>
  )
}

/** Confidence as a bar with its number. */
function Sure({ value }: { value: number }) {
  return (
    <span className={`sure${value < 60 ? ' low' : ''}`} title={`${value} of 100 sure who is the client`}>
      <i style={{ width: `${value}%` }} />
      <b>{value} %</b>
    </span>
  )
}

function Dependencies({ d }: { d: LinkDetail }) {
  const [all, setAll] = useState(false)
  const shown = all ? d.dependencies : d.dependencies.slice(0, 10)
  return (
    <section>
      <h3>
        Workload to workload <em>{count(d.total)}</em>
      </h3>
      <table>
        <thead>
          <tr>
            <th scope="col">Client</th>
            <th scope="col">Server</th>
            <th scope="col">Service</th>
            <th scope="col" className="num">
              Flows
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((r) => (
            <tr key={`${r.client.id} ${r.server.id} ${r.service}`}>
              <td>{r.client.name}</td>
              <td>{r.server.name}</td>
              <td>
                {r.service}
                {r.verdict ? (
                  <div className={`verdict ${r.verdict.outcome}`} title={r.verdict.why}>
                    {r.verdict.outcome}
                    {r.verdict.rule ? `: ${r.verdict.rule}` : ''}
                  </div>
                ) : null}
              </td>
              <td className="num">{count(r.flows)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {d.dependencies.length > shown.length ? (
        <button type="button" className="button plain" onClick={() => setAll(true)}>
          {d.total > d.dependencies.length ? `Show ${d.dependencies.length} of ${count(d.total)}` : `Show all ${d.total}`}
        </button>
      ) : null}
    </section>
  )
}
