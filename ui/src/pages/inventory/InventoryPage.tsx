import { useState } from 'react'
import { get, queryString } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Inventory, Listed } from '../../api/types'
import { History } from '../../parts/History'
import { Empty, Failed, Loading } from '../../parts/States'
import { Tabs } from '../../parts/Tabs'
import { useAddress } from '../../url'
import { count, many, time } from '../../words'
import { Import } from './Import'
import { Unclaimed } from './Unclaimed'

const tabs = ['workloads', 'unclaimed', 'networks', 'import', 'history'] as const

/** Who is there: workloads with their addresses over time, what nobody claims, and how it came to be so. */
export function InventoryPage() {
  const [address, change] = useAddress()
  const tab = tabs.find((t) => t === address.query.get('tab')) ?? 'workloads'
  const q = address.query.get('q') ?? ''
  const { data, error, loading, reload } = useResource(`inventory ${q}`, (signal) => get('/api/v1/inventory', q ? { q } : {}, signal))
  if (error && !data) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="the inventory" />
  return (
    <div className="page" aria-busy={loading}>
      <header className="page-head">
        <div>
          <h1>Inventory</h1>
          <p className="lead">
            {data.version === 0
              ? 'Nothing imported yet: everything on the map stands for itself, by address.'
              : `${many(data.total, 'workload')}, ${count(data.seen)} of them seen on the map; ${many(data.unclaimedTotal, 'address', 'addresses')} that nobody claims.`}
          </p>
        </div>
        {tab === 'workloads' || tab === 'unclaimed' ? <Filter q={q} onChange={(text) => change({ q: text }, 'replace')} /> : null}
      </header>
      <Tabs
        label="Inventory"
        current={tab}
        onChange={(t) => change({ tab: t === 'workloads' ? undefined : t })}
        tabs={[
          { id: 'workloads', text: 'Workloads', count: data.matching },
          { id: 'unclaimed', text: 'Unclaimed addresses', count: data.unclaimedTotal, warn: data.unclaimedTotal > 0 },
          { id: 'networks', text: 'Named networks', count: data.networks.length },
          { id: 'import', text: 'Import' },
          { id: 'history', text: 'History' },
        ]}
      />
      {tab === 'workloads' ? <Workloads data={data} q={q} onImport={() => change({ tab: 'import' })} /> : null}
      {tab === 'unclaimed' ? <Unclaimed data={data} onDone={reload} /> : null}
      {tab === 'networks' ? <Networks data={data} /> : null}
      {tab === 'import' ? <Import formats={data.formats} version={data.version} onDone={reload} /> : null}
      {tab === 'history' ? (
        <section className="card">
          <History kind="inventory" name="estate" what="the inventory" />
        </section>
      ) : null}
    </div>
  )
}

function Filter({ q, onChange }: { q: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(q)
  return (
    <form
      role="search"
      onSubmit={(e) => {
        e.preventDefault()
        onChange(text.trim())
      }}
    >
      <input
        type="search"
        className="filter"
        aria-label="Filter by name, label or address"
        placeholder="Name, label or address, then Enter"
        value={text}
        onChange={(e) => {
          setText(e.target.value)
          if (e.target.value === '') onChange('')
        }}
      />
    </form>
  )
}

function Workloads({ data, q, onImport }: { data: Inventory; q: string; onImport: () => void }) {
  if (data.total === 0) {
    return (
      <Empty title="No inventory yet">
        <p>Import a list of machines (CSV, YAML, DHCP leases, a hosts file, Kubernetes or cloud output), or claim addresses one by one.</p>
        <button type="button" className="button primary" onClick={onImport}>
          Import a file
        </button>
      </Empty>
    )
  }
  if (data.matching === 0) return <p className="note">No workload matches “{q}”.</p>
  return (
    <section className="card">
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Workload</th>
              <th scope="col">Labels</th>
              <th scope="col">Addresses</th>
              <th scope="col">Known from</th>
              <th scope="col">On the map</th>
            </tr>
          </thead>
          <tbody>
            {data.workloads.map((w) => (
              <Row key={w.id} w={w} />
            ))}
          </tbody>
        </table>
      </div>
      {data.matching > data.workloads.length ? <p className="note">{count(data.workloads.length)} of {count(data.matching)} are listed; filter to see others.</p> : null}
    </section>
  )
}

function Row({ w }: { w: Listed }) {
  return (
    <tr>
      <td>
        {w.seen ? <a href={`/map${queryString({ box: `node:${w.id}`, focus: `node:${w.id}` })}`}>{w.name ?? w.id}</a> : (w.name ?? w.id)}
        {w.name && w.name !== w.id ? <small> {w.id}</small> : null}
      </td>
      <td>
        <span className="selector">
          {Object.entries(w.labels).map(([k, v]) => (
            <span key={k} className="label">
              <span>{k}</span>
              {v}
            </span>
          ))}
        </span>
      </td>
      <td className="mono">
        {w.addresses.slice(0, 4).map((a) => (
          <div key={a.addr + (a.from ?? '')}>
            {a.addr}
            {a.scope ? <small> VLAN/VNI {a.scope}</small> : null}
            <small>{interval(a)}</small>
          </div>
        ))}
        {w.addresses.length > 4 ? <small>and {w.addresses.length - 4} more</small> : null}
      </td>
      <td>{w.origin ?? ''}</td>
      <td>{w.seen ? 'seen' : <span className="chip">not seen</span>}</td>
    </tr>
  )
}

/** " until 2026-11-03 07:00": when an address was held; nothing when always. */
export function interval(a: { from?: string; to?: string }): string {
  const from = a.from ? ` from ${time(a.from)}` : ''
  const to = a.to ? ` until ${time(a.to)}` : ''
  return from + to
}

function Networks({ data }: { data: Inventory }) {
  if (data.networks.length === 0) {
    return (
      <Empty title="No named networks">
        <p>Name offices, partners and VPN pools in the inventory file, under “networks”; rules and the map then speak of them by name.</p>
      </Empty>
    )
  }
  return (
    <section className="card">
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Network</th>
              <th scope="col">Addresses</th>
              <th scope="col">Domain names</th>
              <th scope="col">Kind</th>
            </tr>
          </thead>
          <tbody>
            {data.networks.map((n) => (
              <tr key={n.name}>
                <td>{n.name}</td>
                <td className="mono">{n.prefixes?.join(', ') ?? ''}</td>
                <td>{n.domains?.join(', ') ?? ''}</td>
                <td>{n.inside ? 'inside: its addresses are workloads' : 'outside'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
