import { useState } from 'react'
import { queryString } from '../../api/client'
import type { Coverage, Policy, Rule } from '../../api/types'
import { bytes, count, evidence, many, percent, rhythm, service, time } from '../../words'

/** One policy: what it protects, and its rules. */
export function PolicyCard({ policy, coverage, open }: { policy: Policy; coverage: Coverage | undefined; open: boolean }) {
  return (
    <details className="policy" open={open || undefined}>
      <summary>
        <h2>{policy.name}</h2>
        <Labels text={policy.scope} />
        <span className="stage">{policy.stage}</span>
        {policy.egress === 'restrict' ? <span className="stage">outbound restricted</span> : null}
        <span className="grow" />
        {coverage ? <span className="note">{percent(coverage.allowed, coverage.connections)} of its connections</span> : null}
        <em>{many(policy.rules.length, 'rule')}</em>
      </summary>
      {policy.description ? <p className="note">{policy.description}</p> : null}
      <ul className="rules">
        {policy.rules.map((r) => (
          <RuleRow key={r.name} rule={r} />
        ))}
      </ul>
    </details>
  )
}

/** "role=web app=shop" as chips; other words stay words. */
export function Labels({ text }: { text: string }) {
  return (
    <span className="selector">
      {text.split(' ').map((part, i) => {
        const at = part.search(/[=≠]/)
        if (at < 0) return <span key={i}>{part} </span>
        return (
          <span key={i} className="label">
            <span>{part.slice(0, at)}</span>
            {part.slice(at).replace(/^=/, '').replaceAll('|', ' or ')}
          </span>
        )
      })}
    </span>
  )
}

function Peers({ peers }: { peers: readonly string[] }) {
  return (
    <>
      {peers.map((p, i) => (
        <span key={p} className="peer">
          {i > 0 ? ' or ' : null}
          <Labels text={p} />
        </span>
      ))}
    </>
  )
}

/** "web may use PostgreSQL 5432 of db", with what it stands on behind a click. */
export function RuleRow({ rule }: { rule: Rule }) {
  const [open, setOpen] = useState(false)
  const e = rule.evidence
  return (
    <li className={`rule ${rule.action}`}>
      <button type="button" className="sentence" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span className="words">
        <span className="who">
          <Peers peers={rule.from} />
        </span>
        <span className="verb">{rule.action === 'allow' ? 'may use' : 'must not use'}</span>
        <span className="what">{rule.services.length === 0 ? 'every service' : rule.services.map(service).join(', ')}</span>
        <span className="verb">of</span>
        <span className="who">
          <Peers peers={rule.to} />
        </span>
        </span>
        {e ? (
          <span className="proof">
            {count(e.flows)} flows · {many(e.days, 'day')}
          </span>
        ) : null}
      </button>
      {open ? <Evidence rule={rule} /> : null}
    </li>
  )
}

function Evidence({ rule }: { rule: Rule }) {
  const e = rule.evidence
  return (
    <div className="evidence">
      {rule.description ? <p>{rule.description}</p> : null}
      {e?.decided ? <p className="good">A person allowed it; the traffic alone would not have.</p> : null}
      {rule.process ? <p>Process: {rule.process}</p> : null}
      {e ? (
        <>
          <div className="facts">
            <Fact name="Connections" value={count(e.flows)} />
            <Fact name="Bytes" value={bytes(e.bytes)} />
            <Fact name="Clients → servers" value={`${count(e.clients)} → ${count(e.servers)}`} />
            <Fact name="First seen" value={time(e.first)} />
            <Fact name="Last seen" value={time(e.last)} />
            <Fact name="Days seen" value={`${count(e.days)}${e.rhythm ? `, ${rhythm(e.rhythm)}` : ''}`} />
            <Fact name="Seen by" value={many(e.sensors, 'observation point')} />
            <Fact name="Direction" value={`${evidence(e.evidence)}, ${e.confidence} %`} />
            <Fact name="Confidence" value={`${Math.round(e.ruleConfidence * 100)} %`} />
          </div>
          <table>
            <caption>Examples, busiest first</caption>
            <thead>
              <tr>
                <th scope="col">Client</th>
                <th scope="col">Server</th>
                <th scope="col">Service</th>
                <th scope="col" className="num">
                  Flows
                </th>
                <th scope="col">Last seen</th>
              </tr>
            </thead>
            <tbody>
              {e.examples.map((x, i) => (
                <tr key={i}>
                  <td>{x.client.name}</td>
                  <td>{x.server.name}</td>
                  <td>
                    <a href={`/map${queryString({ link: [x.client.id, x.server.id] })}`} title="Show its flows">
                      {x.service}
                    </a>
                  </td>
                  <td className="num">{count(x.flows)}</td>
                  <td>{time(x.last)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      ) : (
        <p className="note">Nothing observed stands behind this rule; it is part of the baseline.</p>
      )}
      <p className="note mono">{rule.name}</p>
    </div>
  )
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <dl>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </dl>
  )
}
