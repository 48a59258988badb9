import { useState } from 'react'
import { queryString } from '../../api/client'
import type { Inventory, Unclaimed as Address } from '../../api/types'
import { ClaimForm } from '../../parts/ClaimForm'
import { Empty } from '../../parts/States'
import { count } from '../../words'

/** Addresses inside that were seen and that no workload claims. */
export function Unclaimed({ data, onDone }: { data: Inventory; onDone: () => void }) {
  if (data.unclaimed.length === 0) {
    return (
      <Empty title="Every address is claimed">
        <p>All addresses seen inside belong to a workload of the inventory.</p>
      </Empty>
    )
  }
  return (
    <section className="card">
      <p className="note">Seen on the network, but no workload holds them: nobody can be asked about their traffic, and rules cannot name them.</p>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Address</th>
              <th scope="col">Known as</th>
              <th scope="col">Looks like</th>
              <th scope="col">
                <span className="unseen">Claim</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {data.unclaimed.map((u) => (
              <Row key={u.id} u={u} onDone={onDone} />
            ))}
          </tbody>
        </table>
      </div>
      {data.unclaimedTotal > data.unclaimed.length ? <p className="note">{count(data.unclaimed.length)} of {count(data.unclaimedTotal)} are listed.</p> : null}
    </section>
  )
}

function Row({ u, onDone }: { u: Address; onDone: () => void }) {
  const [open, setOpen] = useState(false)
  const address = u.addrs?.[0] ?? u.name
  return (
    <>
      <tr>
        <td className="mono">
          <a href={`/map${queryString({ box: u.id, focus: u.id })}`}>{address}</a>
        </td>
        <td>{u.names.slice(0, 3).join(', ')}</td>
        <td>
          <span className="selector">
            {Object.entries(u.labels).map(([k, v]) => (
              <span key={k} className="label">
                <span>{k}</span>
                {v}
              </span>
            ))}
          </span>
        </td>
        <td className="num">
          <button type="button" className="button" aria-expanded={open} onClick={() => setOpen(!open)}>
            Claim
          </button>
        </td>
      </tr>
      {open ? (
        <tr>
          <td colSpan={4}>
            <ClaimForm node={u.id.replace(/^node:/, '')} address={address} name={u.names[0] ?? ''} labels={u.labels} onDone={onDone} />
          </td>
        </tr>
      ) : null}
    </>
  )
}
