import { useState, type FormEvent } from 'react'
import { post, wordsOf } from '../../api/client'
import type { Detail } from '../../api/types'

/** Accepts an application as it is: later maps keep its members together, under the name it is given. */
export function GroupActions({ d, onDone }: { d: Detail; onDone: () => void }) {
  const [name, setName] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const say = async (pin: boolean, called: string) => {
    setBusy(true)
    try {
      await post('/api/v1/map/application', { application: d.application ?? '', pin, ...(called === '' ? {} : { name: called }) })
      setName(null)
      setProblem(null)
      onDone()
    } catch (cause) {
      setProblem(wordsOf(cause))
    } finally {
      setBusy(false)
    }
  }
  const submit = (e: FormEvent) => {
    e.preventDefault()
    void say(true, (name ?? '').trim())
  }
  return (
    <section>
      <p className="note">{d.pinned ? 'You accepted this group: later maps keep it together.' : 'Found in the traffic. Accepted, it stays together in later maps.'}</p>
      {name === null ? (
        <div className="actions">
          {d.pinned ? (
            <button type="button" className="button" disabled={busy} onClick={() => void say(false, '')}>
              Let it go again
            </button>
          ) : (
            <button type="button" className="button" disabled={busy} onClick={() => void say(true, '')}>
              Accept this group
            </button>
          )}
          <button type="button" className="button plain" onClick={() => setName(d.name)}>
            Rename…
          </button>
        </div>
      ) : (
        <form className="actions" onSubmit={submit}>
          <input type="text" className="filter" aria-label="Name of the application" value={name} autoFocus onChange={(e) => setName(e.target.value)} />
          <button type="submit" className="button primary" disabled={busy || name.trim() === ''}>
            Accept under this name
          </button>
        </form>
      )}
      {problem ? <p role="alert">{problem}</p> : null}
    </section>
  )
}
