import { useEffect, useState } from 'react'
import { get, post, wordsOf } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Host } from '../../api/types'
import { Empty, Failed, Loading } from '../../parts/States'
import { ago, count, many, time } from '../../words'

const pause = 5000 // ms between reads

const order: Readonly<Record<string, number>> = { pending: 0, refused: 1, 'rolled back': 2, silent: 3, released: 4, behind: 5, joined: 6, 'in sync': 9 }

/** Agents and gateways: do they live, do they hold what they should, and does a change wait for a person? */
export function HostsPage() {
  const { data, error, loading, reload } = useResource('hosts', (signal) => get('/api/v1/hosts', {}, signal))
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') reload()
    }, pause)
    return () => clearInterval(timer)
  }, [reload])
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the hosts" />
  const sorted = [...data.hosts].sort((a, b) => (order[a.state] ?? 7) - (order[b.state] ?? 7) || a.name.localeCompare(b.name))
  const well = data.hosts.filter((h) => h.state === 'in sync').length
  return (
    <div className="page" aria-busy={loading}>
      <header className="page-head">
        <div>
          <h1>Hosts</h1>
          <p className="lead">{data.hosts.length === 0 ? 'Agents and gateways that enforce what you decide.' : `${count(well)} of ${many(data.hosts.length, 'host')} hold what they should. What needs you comes first.`}</p>
        </div>
      </header>
      {data.hosts.length === 0 ? <None controller={data.controller} /> : <Table hosts={sorted} onDone={reload} />}
    </div>
  )
}

function None({ controller }: { controller: boolean }) {
  return (
    <Empty title="No host has joined">
      {controller ? (
        <>
          <p>Make a token, then start an agent with it:</p>
          <pre>bulkhead join-token create</pre>
        </>
      ) : (
        <p>
          Name an address under <code>controller.listen</code> in the configuration, so that agents and gateways can join. Without a controller, <code>bulkhead agent --standalone</code> enforces a policy file.
        </p>
      )}
    </Empty>
  )
}

function Table({ hosts, onDone }: { hosts: readonly Host[]; onDone: () => void }) {
  const now = new Date().toISOString()
  return (
    <section className="card">
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Host</th>
              <th scope="col">State</th>
              <th scope="col">Enforces for</th>
              <th scope="col">Bundle</th>
              <th scope="col">Last heartbeat</th>
              <th scope="col">Certificate until</th>
              <th scope="col">
                <span className="unseen">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {hosts.map((h) => (
              <Row key={h.name} h={h} now={now} onDone={onDone} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function Row({ h, now, onDone }: { h: Host; now: string; onDone: () => void }) {
  const [problem, setProblem] = useState<string | null>(null)
  const confirm = () => post('/api/v1/hosts/{name}/confirm', undefined as never, {}, { name: h.name }).then(onDone, (cause: unknown) => setProblem(wordsOf(cause)))
  return (
    <tr>
      <td>
        <strong>{h.name}</strong>
        <small className="ends">
          {h.role === 'gateway' ? 'gateway' : 'agent'} {h.version} · {h.addrs.slice(0, 2).join(', ')}
        </small>
      </td>
      <td>
        <span className={`state-chip ${h.state.replace(/ /g, '-')}`}>{h.state}</span>
        {h.problem !== '' && h.problem !== h.state ? <small className="ends">{h.problem}</small> : null}
        {Math.abs(h.clockSkew) > 2 ? <small className="ends warn">its clock is {Math.round(h.clockSkew)} s off</small> : null}
        {h.lost > 0 ? <small className="ends warn">{count(h.lost)} rows lost</small> : null}
      </td>
      <td>{h.workloads.length > 0 ? many(h.workloads.length, 'workload') : '–'}</td>
      <td>
        {h.held === 0 ? 'none' : h.held}
        {h.wanted !== h.held && h.wanted > 0 ? <small> of {h.wanted}</small> : null}
        {h.pending > 0 ? <small className="ends">{h.pending} applied{h.deadline ? `, falls back ${time(h.deadline)}` : ''}</small> : null}
      </td>
      <td className="when">{h.lastHeartbeat ? ago(h.lastHeartbeat, now).replace('at the end', 'just now').replace(' before', ' ago') : 'never'}</td>
      <td className="when">{h.certificateExpires ? time(h.certificateExpires) : '–'}</td>
      <td className="num">
        {h.pending > 0 ? (
          <button type="button" className="button primary" onClick={() => void confirm()}>
            Confirm
          </button>
        ) : null}
        {problem ? <span role="alert">{problem}</span> : null}
      </td>
    </tr>
  )
}
