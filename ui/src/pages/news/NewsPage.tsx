import { get, queryString } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Access, Arrival, News, Ref } from '../../api/types'
import { PriorityMark } from '../../parts/PriorityMark'
import { Empty, Failed, Loading } from '../../parts/States'
import { useAddress } from '../../url'
import { ago, count, infraName, many, service, shortService, time, title } from '../../words'

const spans = [
  ['monday', 'Monday'],
  ['24h', 'a day before the end'],
  ['7d', 'a week before'],
  ['30d', '30 days before'],
] as const

/** Who and what was not there before: the review of a week. */
export function NewsPage() {
  const [address, change] = useAddress()
  const newSince = address.query.get('newSince') ?? 'monday'
  const { data, error, loading, reload } = useResource(`news ${newSince}`, (signal) => get('/api/v1/map/news', { newSince }, signal))
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="what is new" />
  return (
    <div className="page" aria-busy={loading}>
      <header className="page-head">
        <div>
          <h1>What’s new</h1>
          <p className="lead">
            Since {time(data.since)} UTC, in traffic recorded up to {time(data.until)}.
          </p>
        </div>
        <label className="pick">
          <span>Since</span>
          <select value={newSince} onChange={(e) => change({ newSince: e.target.value })}>
            {spans.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
            {spans.some(([v]) => v === newSince) ? null : <option value={newSince}>{newSince}</option>}
          </select>
        </label>
        <a className="button" href={`/map${queryString({ newSince: data.since })}`}>
          Show on the map
        </a>
      </header>
      <Words news={data} />
      <Arrivals news={data} />
      <AccessList heading="New kinds of access" note="Nobody in this role used this service there before." list={data.access.filter((a) => a.novel)} total={data.novelTotal} news={data} />
      <AccessList heading="Known access, more workloads" note="The role used this before; these workloads did not." list={data.access.filter((a) => !a.novel)} total={data.accessTotal - data.novelTotal} news={data} />
      <Quiet news={data} />
    </div>
  )
}

function Words({ news }: { news: News }) {
  const early = Date.parse(news.since) - Date.parse(news.began) < 86_400_000
  if (early) {
    return (
      <p className="hint">
        The record begins {time(news.began)}, {ago(news.began, news.since) === 'at the end' ? 'no earlier' : 'less than a day earlier'}: nearly everything counts as new. Choose a later moment, or come back when more is recorded.
      </p>
    )
  }
  if (news.workloadsTotal === 0 && news.accessTotal === 0 && news.quietTotal === 0) {
    return (
      <Empty title="Nothing is new">
        <p>Every workload and every dependency seen since then was seen before.</p>
      </Empty>
    )
  }
  return (
    <section className="summary">
      <Figure value={news.workloadsTotal} name={news.workloadsTotal === 1 ? 'new workload' : 'new workloads'} note="never seen before" />
      <Figure value={news.novelTotal} name="new kinds of access" note="role to role, by service" />
      <Figure value={news.dependencies} name={news.dependencies === 1 ? 'new dependency' : 'new dependencies'} note="workload to workload" />
      <Figure value={news.quietTotal} name="gone quiet" note="regular before, overdue now" />
    </section>
  )
}

function Figure({ value, name, note }: { value: number; name: string; note: string }) {
  return (
    <div className="figure">
      <p>
        <strong>{count(value)}</strong> {name}
      </p>
      <p className="note">{note}</p>
    </div>
  )
}

function Arrivals({ news }: { news: News }) {
  if (news.workloads.length === 0) return null
  return (
    <section className="card">
      <h2>
        New workloads <em>{count(news.workloadsTotal)}</em>
      </h2>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Address</th>
              <th scope="col">Looks like</th>
              <th scope="col">Serves</th>
              <th scope="col" className="num">
                Uses
              </th>
              <th scope="col">First seen</th>
            </tr>
          </thead>
          <tbody>
            {news.workloads.map((w) => (
              <Row key={w.id} w={w} />
            ))}
          </tbody>
        </table>
      </div>
      {news.workloadsTotal > news.workloads.length ? <p className="note">{count(news.workloads.length)} of {count(news.workloadsTotal)} are listed.</p> : null}
    </section>
  )
}

function Row({ w }: { w: Arrival }) {
  return (
    <tr>
      <td>
        <a href={`/map${queryString({ box: w.id, focus: w.id })}`}>{w.name}</a>{' '}
        {w.priority === 'critical' || w.priority === 'high' ? <PriorityMark priority={w.priority} /> : null}
        {w.kind === 'address' ? <span className="chip">unclaimed</span> : null}
      </td>
      <td className="mono">{w.addrs?.[0] ?? ''}</td>
      <td>{[w.role, w.app && `of ${title(w.app)}`, w.env].filter(Boolean).join(' ')}</td>
      <td>{w.serves.map((s) => shortService(s.service)).join(', ')}</td>
      <td className="num">{count(w.uses)}</td>
      <td className="when">{time(w.first)}</td>
    </tr>
  )
}

/** A role of a group: "batch of Finance prod". */
export function place(r: Ref): string {
  const name = r.kind === 'infrastructure' ? infraName(r.name) : title(r.name)
  return [r.role ? `${r.role} of` : '', name, r.env ?? ''].filter(Boolean).join(' ')
}

function AccessList({ heading, note, list, total, news }: { heading: string; note: string; list: readonly Access[]; total: number; news: News }) {
  if (list.length === 0) return null
  return (
    <section className="card">
      <h2>
        {heading} <em>{list.length < total ? `${count(list.length)} of ${count(total)}` : count(total)}</em>
      </h2>
      <p className="note">{note}</p>
      <div className="scroll">
        <AccessTable list={list} since={news.since} />
      </div>
    </section>
  )
}

function AccessTable({ list, since }: { list: readonly Access[]; since: string }) {
  return (
    <table className="access">
      <thead>
        <tr>
          <th scope="col">Client</th>
          <th scope="col">Server</th>
          <th scope="col">Service</th>
          <th scope="col" className="num">
            Flows
          </th>
          <th scope="col">First seen</th>
          <th scope="col">Last seen</th>
        </tr>
      </thead>
      <tbody>
        {list.map((a) => (
          <tr key={`${a.from.id} ${a.from.role ?? ''} ${a.to.id} ${a.to.role ?? ''} ${a.service}`}>
            <td>
              {place(a.from)}
              <Ends list={a.clients} />
            </td>
            <td>
              {place(a.to)} {a.to.priority === 'critical' || a.to.priority === 'high' ? <PriorityMark priority={a.to.priority} /> : null}
              <Ends list={a.servers} />
            </td>
            <td>
              <a href={`/map${queryString({ link: [a.from.id, a.to.id], newSince: since })}`} title="Show the dependency and its flows">
                {service(a.service)}
              </a>
              {a.dependencies > 1 ? <small> × {count(a.dependencies)}</small> : null}
            </td>
            <td className="num">{count(a.flows)}</td>
            <td className="when">{time(a.first)}</td>
            <td className="when">{time(a.last)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const named = 3 // workloads of each side that are named

function Ends({ list }: { list: readonly Ref[] }) {
  const names = list.slice(0, named).map((r) => r.name)
  return <small className="ends">{names.join(', ') + (list.length > named ? ' and more' : '')}</small>
}

function Quiet({ news }: { news: News }) {
  if (news.quiet.length === 0) return null
  return (
    <details className="always">
      <summary>
        Gone quiet: regular before, not once since <em>{count(news.quietTotal)}</em>
      </summary>
      <p className="note">Perhaps work that runs at the end of a week or month; perhaps something that stopped. A rule for it is still needed if it comes back: {many(news.quietTotal, 'case')}.</p>
      <div className="scroll">
        <AccessTable list={news.quiet} since={news.since} />
      </div>
    </details>
  )
}
