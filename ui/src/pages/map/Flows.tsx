import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import { Failed, Loading } from '../../parts/States'
import { bytes, time } from '../../words'
import type { Scope } from './query'

/** The newest raw records behind one service of a link. */
export function Flows({ from, to, service, scope }: { from: string; to: string; service: string; scope: Scope }) {
  const { data, error, reload } = useResource(`flows ${from} ${to} ${service} ${JSON.stringify(scope)}`, (signal) =>
    get('/api/v1/flows', { ...scope, from, to, service, limit: 20 }, signal),
  )
  if (error) return <Failed error={error} retry={reload} />
  if (!data) return <Loading what="flows" />
  if (data.flows.length === 0) return <p className="note">The raw records are older than they are kept; the sums above remain.</p>
  return (
    <table className="flows">
      <caption>Newest records</caption>
      <thead>
        <tr>
          <th scope="col">Began (UTC)</th>
          <th scope="col">Client</th>
          <th scope="col">Server</th>
          <th scope="col" className="num">
            Bytes
          </th>
          <th scope="col">Seen by</th>
        </tr>
      </thead>
      <tbody>
        {data.flows.map((f, i) => (
          <tr key={i}>
            <td>{time(f.first)}</td>
            <td className={addressClass(f.client)}>{f.client}</td>
            <td className={addressClass(f.server)}>{f.server}</td>
            <td className="num">{bytes((f.bytes[0] ?? 0) + (f.bytes[1] ?? 0))}</td>
            <td className="sensor">{f.sensor}{'via' in f && f.via ? <small> {String(f.via)}</small> : null}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Only addresses longer than any of IPv4 with its port may be broken over lines. */
function addressClass(address: string): string {
  return address.length > '255.255.255.255:65535'.length ? 'mono long' : 'mono'
}
