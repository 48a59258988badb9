import { useMemo, useState } from 'react'
import { get, post, queryString, wordsOf } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { SharedFinding, SharedInfrastructure } from '../../api/types'
import { FindingActions } from '../../parts/FindingActions'
import { useMore } from '../../parts/More'
import { Empty, Failed, Loading } from '../../parts/States'
import { useAddress } from '../../url'
import { count, infraName } from '../../words'

/** What the map keeps out of applications because many unrelated ones share it, and why. */
export function Infrastructure() {
  const [address, change] = useAddress()
  const kind = address.query.get('kind') ?? ''
  const { data, error, reload } = useResource('infrastructure', (signal) => get('/api/v1/map/infrastructure', {}, signal))
  const found = useMemo(() => [...(data?.findings ?? [])].filter((f) => kind === '' || f.kind === kind).sort(byKind), [data, kind])
  const [some, more] = useMore(found)
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="shared infrastructure" />
  if (data.findings.length === 0 && data.refused.length === 0) {
    return (
      <Empty title="No shared infrastructure found">
        <p>Nothing is used by so many unrelated workloads that it would tie their applications together.</p>
      </Empty>
    )
  }
  return (
    <>
      <section className="card">
        <div className="bar-head">
          <label className="pick">
            <span>Kind</span>
            <select value={kind} onChange={(e) => change({ kind: e.target.value })}>
              <option value="">all</option>
              {[...new Set(data.findings.map((f) => f.kind))].sort().map((k) => (
                <option key={k} value={k}>
                  {infraName(k)}
                </option>
              ))}
            </select>
          </label>
        </div>
        <p className="note">Shared by unrelated applications, so kept out of all of them. Your word holds in every later map.</p>
        <div className="scroll">
          <table className="findings">
            <thead>
              <tr>
                <th scope="col">Workload</th>
                <th scope="col">Why</th>
                <th scope="col" className="num">
                  Shared by
                </th>
                <th scope="col">Sure</th>
                <th scope="col">It is</th>
              </tr>
            </thead>
            <tbody>
              {some.map((f) => (
                <Row key={f.node.id} f={f} kinds={data.kinds} onDone={reload} />
              ))}
            </tbody>
          </table>
        </div>
        {more}
      </section>
      {data.refused.length > 0 ? <Refused data={data} onDone={reload} /> : null}
    </>
  )
}

function byKind(a: SharedFinding, b: SharedFinding): number {
  return a.kind.localeCompare(b.kind) || b.clients - a.clients
}

function Row({ f, kinds, onDone }: { f: SharedFinding; kinds: readonly string[]; onDone: () => void }) {
  return (
    <tr>
      <td>
        <a href={`/map${queryString({ box: f.node.id, focus: f.node.id })}`}>{f.node.name}</a>
        <small className="ends mono">{f.node.addrs?.[0] ?? ''}</small>
      </td>
      <td>{f.why}</td>
      <td className="num">{count(f.clients)}</td>
      <td>
        <span className={`sure${f.confidence < 0.6 ? ' low' : ''}`}>
          <i style={{ width: `${Math.round(f.confidence * 100)}%` }} />
          <b>{Math.round(f.confidence * 100)} %</b>
        </span>
      </td>
      <td>
        <FindingActions node={f.node.id.replace(/^node:/, '')} name={f.node.name} kind={f.kind} kinds={kinds} accepted={f.decided === 'accepted'} onDone={onDone} />
      </td>
    </tr>
  )
}

function Refused({ data, onDone }: { data: SharedInfrastructure; onDone: () => void }) {
  const [problem, setProblem] = useState<string | null>(null)
  const back = (node: string, kind: string) =>
    void post('/api/v1/map/infrastructure', { decisions: [{ node, kind, accept: true }] }).then(onDone, (cause: unknown) => setProblem(wordsOf(cause)))
  return (
    <section className="card">
      <h2>
        Not shared, you said <em>{data.refused.length}</em>
      </h2>
      {problem ? <p role="alert">{problem}</p> : null}
      <ul className="plain-list">
        {data.refused.map((r) => (
          <li key={r.node.id}>
            {r.node.name} {r.kind === '' ? null : <em>{infraName(r.kind)}</em>} {r.reason}{' '}
            <button type="button" className="button plain" onClick={() => back(r.node.id.replace(/^node:/, ''), r.kind)}>
              It is, after all
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}
