import type { ReactNode } from 'react'
import type { ApiError } from '../api/client'

/** Something is on its way. */
export function Loading({ what }: { what: string }) {
  return (
    <div className="state" role="status">
      <span className="spinner" aria-hidden="true" />
      <p>Reading {what}…</p>
    </div>
  )
}

/** There is nothing yet, and what to do about it. */
export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="state">
      <h2>{title}</h2>
      <div>{children}</div>
    </div>
  )
}

/** It failed: why, and a way to try again. */
export function Failed({ error, retry }: { error: ApiError; retry: () => void }) {
  const title = error.code === 'unsupported' ? 'Not available here' : error.code === 'not-ready' ? 'Not ready yet' : 'That did not work'
  return (
    <div className="state" role="alert">
      <h2>{title}</h2>
      <p>{error.message}</p>
      <button type="button" className="button" onClick={retry}>
        Try again
      </button>
    </div>
  )
}
