import { useEffect } from 'react'
import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Violation } from '../../api/types'
import { Empty, Failed, Loading } from '../../parts/States'
import { Tabs } from '../../parts/Tabs'
import { useAddress } from '../../url'
import { count, many, service } from '../../words'
import { ViolationProposals } from './Proposals'

const pause = 5000 // ms between reads while following

/** What live policies forbade, or would have forbidden in monitor; the newest first, followed live. */
export function ViolationsPage() {
  const [address, change] = useAddress()
  const outcome = address.query.get('outcome') === 'blocked' ? ('blocked' as const) : ('all' as const)
  const policy = address.query.get('policy') ?? undefined
  const tab = address.query.get('tab') === 'proposals' ? ('proposals' as const) : ('list' as const)
  const following = address.query.get('follow') !== 'off'
  const scope = { outcome, limit: 300, ...(policy ? { policy } : {}) }
  const { data, error, loading, reload } = useResource(`violations ${JSON.stringify(scope)}`, (signal) => get('/api/v1/violations', scope, signal))
  useFollow(following && tab === 'list' && !error, reload)
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="violations" />
  return (
    <div className="page" aria-busy={loading}>
      <header className="page-head">
        <div>
          <h1>Violations</h1>
          <p className="lead">What live policies blocked, or would have blocked in monitor. Each is a missing rule or somebody who should not be there.</p>
        </div>
        {tab === 'list' ? (
          <>
        <label className="switch">
          <input type="checkbox" checked={outcome === 'blocked'} onChange={(e) => change({ outcome: e.target.checked ? 'blocked' : undefined })} />
          <span>Blocked only</span>
        </label>
        <label className="switch">
          <input type="checkbox" checked={following} onChange={(e) => change({ follow: e.target.checked ? undefined : 'off' }, 'replace')} />
          <span>Follow</span>
        </label>
          </>
        ) : null}
        {policy ? (
          <button type="button" className="chip closable" onClick={() => change({ policy: undefined })}>
            {policy} <span aria-hidden="true">×</span>
          </button>
        ) : null}
      </header>
      <Tabs
        label="Violations"
        current={tab}
        onChange={(t) => change({ tab: t === 'list' ? undefined : t })}
        tabs={[
          { id: 'list', text: 'What was stopped' },
          { id: 'proposals', text: 'What to do about it' },
        ]}
      />
      {tab === 'proposals' ? <ViolationProposals /> : data.violations.length === 0 ? <None /> : <Rows rows={data.violations} onPolicy={(p) => change({ policy: p })} />}
    </div>
  )
}

/** Reads again and again while the page can be seen. */
function useFollow(on: boolean, reload: () => void) {
  useEffect(() => {
    if (!on) return
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') reload()
    }, pause)
    return () => clearInterval(timer)
  }, [on, reload])
}

function None() {
  return (
    <Empty title="No violations">
      <p>Nothing was blocked, and nothing would have been. Violations appear here once a policy is past draft on a host or gateway:</p>
      <pre>bulkhead enforce policy.yaml --mode monitor</pre>
    </Empty>
  )
}

function Rows({ rows, onPolicy }: { rows: readonly Violation[]; onPolicy: (p: string) => void }) {
  const suppressed = rows.reduce((n, v) => n + v.suppressed, 0)
  return (
    <section className="card">
      <h2>
        Newest first <em>{count(rows.length)}</em>
        {suppressed > 0 ? <small> and {many(suppressed, 'more of the same', 'more of the same')} held back by rate limits</small> : null}
      </h2>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Time (UTC)</th>
              <th scope="col">Outcome</th>
              <th scope="col">Client</th>
              <th scope="col">Server</th>
              <th scope="col">Service</th>
              <th scope="col">Decided by</th>
              <th scope="col">Reported by</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((v, i) => (
              <tr key={`${v.time} ${v.clientAddr} ${v.serverAddr} ${i}`}>
                <td className="mono">{v.time.slice(0, 19).replace('T', ' ')}</td>
                <td>
                  <span className={`outcome ${v.outcome}`}>{v.outcome === 'blocked' ? 'blocked' : 'would block'}</span>
                </td>
                <td title={v.clientAddr}>
                  <a href={`/map?box=${encodeURIComponent(v.client.id)}&focus=${encodeURIComponent(v.client.id)}`}>{v.client.name}</a>
                </td>
                <td title={v.serverAddr}>{v.server.name}</td>
                <td>{service(v.service)}</td>
                <td>
                  <button type="button" className="inline" onClick={() => onPolicy(v.policy)}>
                    {v.policy}
                  </button>
                  {v.rule === '' ? <small> no rule allows it</small> : `: ${v.rule}`}
                </td>
                <td>
                  {v.host}
                  {v.process ? <small> {v.process}</small> : null}
                  {v.suppressed > 0 ? <small> +{count(v.suppressed)}</small> : null}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
