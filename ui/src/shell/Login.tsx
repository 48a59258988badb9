import { useState, type FormEvent } from 'react'
import { ApiError, post } from '../api/client'

/** Asks for the password that the server printed when it was first started. */
export function Login({ onDone }: { onDone: () => void }) {
  const [password, setPassword] = useState('')
  const [problem, setProblem] = useState<string | null>(null)
  const submit = (e: FormEvent) => {
    e.preventDefault()
    post('/api/v1/session', { password }).then(onDone, (cause: unknown) => setProblem(cause instanceof ApiError ? cause.message : String(cause)))
  }
  return (
    <main className="login">
      <form onSubmit={submit}>
        <img src="/bulkhead.svg" alt="" width="48" height="48" />
        <h1>Bulkhead</h1>
        <label>
          Password
          <input type="password" autoComplete="current-password" autoFocus value={password} onChange={(e) => setPassword(e.target.value)} />
        </label>
        <p className="note">It was printed when the server was first started.</p>
        {problem ? <p role="alert">{problem}</p> : null}
        <button type="submit" className="button primary">
          Log in
        </button>
      </form>
    </main>
  )
}
