import { useState, type FormEvent } from 'react'
import { post, wordsOf } from '../api/client'

interface Props {
  /** Node id of the address. */
  node: string
  address: string
  /** What is proposed for it. */
  name?: string
  labels?: Readonly<Record<string, string>>
  onDone: () => void
}

const keys = ['app', 'role', 'env'] as const

/** Says whose an address is: a new workload, or one more address of a known one. */
export function ClaimForm({ node, address, name = '', labels = {}, onDone }: Props) {
  const [fields, setFields] = useState({ name, app: labels['app'] ?? '', role: labels['role'] ?? '', env: labels['env'] ?? '' })
  const [state, setState] = useState<'open' | 'busy' | 'done'>('open')
  const [problem, setProblem] = useState<string | null>(null)
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setState('busy')
    const given = Object.fromEntries(keys.flatMap((k) => (fields[k].trim() === '' ? [] : [[k, fields[k].trim()]])))
    try {
      await post('/api/v1/map/claim', { node, name: fields.name.trim(), labels: given })
      setState('done')
      setProblem(null)
      onDone()
    } catch (cause) {
      setState('open')
      setProblem(wordsOf(cause))
    }
  }
  if (state === 'done') return <p role="status" className="good">{address} is claimed. The map follows in a moment.</p>
  const field = (key: keyof typeof fields, label: string, hint: string) => (
    <label>
      {label}
      <input type="text" value={fields[key]} placeholder={hint} onChange={(e) => setFields({ ...fields, [key]: e.target.value })} />
    </label>
  )
  return (
    <form className="claim" aria-label={`Claim ${address}`} onSubmit={(e) => void submit(e)}>
      {field('name', 'Name', 'of the machine; a known workload gets the address too')}
      {field('app', 'Application', 'shop')}
      {field('role', 'Role', 'db')}
      {field('env', 'Environment', 'prod')}
      <button type="submit" className="button primary" disabled={state === 'busy'}>
        Claim {address}
      </button>
      {problem ? <p role="alert">{problem}</p> : null}
    </form>
  )
}
