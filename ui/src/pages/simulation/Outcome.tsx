import { queryString } from '../../api/client'
import type { SimRow, Simulation } from '../../api/types'
import { count, many, percent, service, time, title } from '../../words'

type Class = SimRow['class']

const ways: readonly { id: Class; title: string; note: string }[] = [
  { id: 'allowed', title: 'Allowed and seen', note: 'keeps working' },
  { id: 'would-break', title: 'Would break', note: 'seen, and no rule allows it' },
  { id: 'never-used', title: 'Never used', note: 'allowed, but not seen' },
  { id: 'stopped', title: 'Stopped probes', note: 'refused or unanswered attempts' },
]

function totalOf(sim: Simulation, id: Class) {
  return { allowed: sim.allowed, 'would-break': sim.wouldBreak, 'never-used': sim.neverUsed, stopped: sim.stopped }[id]
}

/** The four ways, the rows of one of them, and how much each rule was used. */
export function Outcome({ sim, chosen, onChoose }: { sim: Simulation; chosen: string | null; onChoose: (c: string) => void }) {
  const current = ways.find((w) => w.id === chosen)?.id ?? (sim.wouldBreak.dependencies > 0 ? 'would-break' : 'allowed')
  const seen = sim.allowed.connections + sim.wouldBreak.connections
  return (
    <>
      <div className="four" role="tablist" aria-label="Four ways">
        {ways.map((w) => {
          const t = totalOf(sim, w.id)
          return (
            <button key={w.id} type="button" role="tab" aria-selected={current === w.id} className={`way ${w.id}`} onClick={() => onChoose(w.id)}>
              <span>{w.title}</span>
              <strong>{count(w.id === 'never-used' ? t.dependencies : t.connections)}</strong>
              <small>
                {w.id === 'would-break' && t.dependencies > 0 ? <Split sim={sim} /> : null}
                {w.id === 'never-used' ? many(t.dependencies, 'rule') : `${many(t.dependencies, 'dependency', 'dependencies')}${w.id === 'allowed' || w.id === 'would-break' ? `, ${percent(t.connections, seen)}` : ''}`}
              </small>
              <small>{w.note}</small>
            </button>
          )
        })}
      </div>
      {sim.untouched > 0 ? <p className="note">{count(sim.untouched)} connections touch no protected workload and stay as they are.</p> : null}
      {current === 'would-break' && sim.breaks.length > 0 ? <Breaks sim={sim} /> : null}
      <Rows rows={sim.rows.filter((r) => r.class === current)} total={totalOf(sim, current).dependencies} what={current} />
      <RuleUses sim={sim} />
    </>
  )
}

/** How much of what would break looks legitimate: the number that matters. */
function Split({ sim }: { sim: Simulation }) {
  return (
    <b className={sim.legitimate.dependencies > 0 ? 'warn' : 'good'}>
      {many(sim.legitimate.dependencies, 'looks', 'look')} legitimate, {count(sim.expected.dependencies)} for your decision
      <br />
    </b>
  )
}

/** All that would break, folded: what waits for one decision is one line. */
function Breaks({ sim }: { sim: Simulation }) {
  return (
    <section className="card">
      <h2>
        What would break, by cause <em>{sim.breaks.length}</em>
      </h2>
      <ul className="breaks-list">
        {sim.breaks.map((b) => (
          <li key={b.decision + b.what + b.services.join()}>
            {b.concern === '' ? <span className="concern none">Looks legitimate</span> : <span className="concern">{title(b.concern)}</span>}
            <div>
              <strong>{b.what}</strong> <span>{b.services.slice(0, 4).map(service).join(', ')}</span>
              {b.services.length > 4 ? <em> and {b.services.length - 4} more</em> : null}
              <p className="note">
                {many(b.connections, 'connection')} in {many(b.dependencies, 'dependency', 'dependencies')}, last {time(b.last)}
                {b.concern === '' ? `: ${b.why}` : ''}
              </p>
            </div>
            {b.decision === '' ? null : (
              <a className="button" href={`/rules?tab=decisions#${encodeURIComponent(b.decision)}`}>
                Decide
              </a>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}

function Rows({ rows, total, what }: { rows: readonly SimRow[]; total: number; what: Class }) {
  if (what === 'never-used') return <p className="note">The rules without a hit are listed below.</p>
  if (rows.length === 0) return <p className="note">{total === 0 ? 'None in this window.' : 'The rows of this class are counted, not listed.'}</p>
  return (
    <section className="card">
      <h2>
        {ways.find((w) => w.id === what)?.title} <em>{rows.length < total ? `${rows.length} of ${count(total)}` : count(total)}</em>
      </h2>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Client</th>
              <th scope="col">Server</th>
              <th scope="col">Service</th>
              <th scope="col" className="num">
                Connections
              </th>
              <th scope="col">Last seen</th>
              <th scope="col">Decided by</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((r, i) => (
              <tr key={i}>
                <td>
                  {r.client.name} <small>{where(r.client)}</small>
                </td>
                <td>
                  {r.server.name} <small>{where(r.server)}</small>
                </td>
                <td className="mono">
                  <a href={`/map${queryString({ link: [r.client.id, r.server.id] })}`} title="Show the dependency and its flows">
                    {r.service}
                  </a>
                </td>
                <td className="num">{count(r.connections)}</td>
                <td className="when">{time(r.stats.last)}</td>
                <td title={r.why}>
                  {r.concern ? <span className="concern">{title(r.concern)}</span> : null}{' '}
                  {r.rule === '' ? (r.policy === '' ? r.why : `${r.policy}: default`) : `${r.policy}: ${r.rule}`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function where(r: SimRow['client']): string {
  return [r.app, r.env].filter(Boolean).join(' ')
}

function RuleUses({ sim }: { sim: Simulation }) {
  if (sim.rules.length === 0) return null
  const most = Math.max(1, ...sim.rules.map((r) => r.connections))
  const rules = [...sim.rules].sort((a, b) => b.connections - a.connections)
  return (
    <section className="card">
      <h2>
        Use of each rule <em>{count(rules.length)}</em>
      </h2>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Policy</th>
              <th scope="col">Rule</th>
              <th scope="col" className="num">
                Connections
              </th>
              <th scope="col">
                <span className="unseen">share of the most used</span>
              </th>
              <th scope="col" className="num">
                Dependencies
              </th>
              <th scope="col">Last hit</th>
            </tr>
          </thead>
          <tbody>
            {rules.slice(0, 500).map((r) => (
              <tr key={r.policy + r.rule} className={r.connections === 0 ? 'unused' : ''}>
                <td>{r.policy}</td>
                <td>{r.rule}</td>
                <td className="num">{count(r.connections)}</td>
                <td>
                  <span className="bar thin" aria-hidden="true">
                    <i style={{ width: `${(100 * Math.log1p(r.connections)) / Math.log1p(most)}%` }} />
                  </span>
                </td>
                <td className="num">{count(r.dependencies)}</td>
                <td className="when">{r.lastHit === '' ? 'never' : time(r.lastHit)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
