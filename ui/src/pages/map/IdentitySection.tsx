import { useState } from 'react'
import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Identity } from '../../api/types'
import { count, service, time } from '../../words'
import type { Scope } from './query'

/** Who one workload was over time: the addresses it held, the names they were known by, what runs on it. */
export function IdentitySection({ id, scope }: { id: string; scope: Scope }) {
  const { data } = useResource(`identity ${id} ${JSON.stringify(scope)}`, (signal) => get('/api/v1/map/node/identity', { ...scope, id }, signal))
  if (!data) return null // the panel says the essential without it
  const held = data.addresses.filter((a) => a.from || a.to)
  if (held.length === 0 && data.names.length === 0 && data.programs.length === 0 && !data.origin) return null
  return (
    <section>
      <h3>Over time</h3>
      {data.origin ? <p className="note">Known from {data.origin}</p> : null}
      {held.length > 0 ? <Addresses list={data.addresses} /> : null}
      {data.names.length > 0 ? <Names list={data.names} /> : null}
      {data.programs.length > 0 ? <Programs list={data.programs} /> : null}
    </section>
  )
}

function Addresses({ list }: { list: Identity['addresses'] }) {
  return (
    <table className="compact">
      <thead>
        <tr>
          <th scope="col">Address</th>
          <th scope="col">From</th>
          <th scope="col">Until</th>
        </tr>
      </thead>
      <tbody>
        {list.map((a) => (
          <tr key={a.addr + (a.from ?? '')}>
            <td className="mono">
              {a.addr}
              {a.scope ? <small> VLAN/VNI {a.scope}</small> : null}
            </td>
            <td className="when">{a.from ? time(a.from) : 'always'}</td>
            <td className="when">{a.to ? time(a.to) : 'now'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const few = 6

function Names({ list }: { list: Identity['names'] }) {
  const [all, setAll] = useState(false)
  const shown = all ? list : list.slice(0, few)
  return (
    <>
      <table className="compact">
        <thead>
          <tr>
            <th scope="col">Known as</th>
            <th scope="col">Seen in</th>
            <th scope="col">Last seen</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((n) => (
            <tr key={n.name + n.addr + n.kind} title={`${count(n.count)} times for ${n.addr}`}>
              <td className="breaks">{n.name}</td>
              <td>{n.kind.replace(/-/g, ' ')}</td>
              <td className="when">{time(n.last)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {list.length > shown.length ? (
        <button type="button" className="button plain" onClick={() => setAll(true)}>
          Show all {list.length}
        </button>
      ) : null}
    </>
  )
}

function Programs({ list }: { list: Identity['programs'] }) {
  return (
    <table className="compact">
      <thead>
        <tr>
          <th scope="col">Program</th>
          <th scope="col">Service</th>
          <th scope="col" className="num">
            Flows
          </th>
        </tr>
      </thead>
      <tbody>
        {list.slice(0, 20).map((p) => (
          <tr key={p.name + p.service + String(p.serves)}>
            <td className="breaks">{p.name}</td>
            <td>
              {p.serves ? 'serves' : 'uses'} {service(p.service)}
            </td>
            <td className="num">{count(p.flows)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
