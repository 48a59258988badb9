import { useCallback, useEffect, useRef, useState } from 'react'
import { ApiError } from './client'
import { useRevision } from './events'

export interface Resource<T> {
  /** The newest answer; while another one loads, the one before. */
  data: T | undefined
  error: ApiError | undefined
  loading: boolean
  /** The data answers an earlier key. */
  stale: boolean
  reload: () => void
}

const remembered = new Map<string, unknown>()
const maxRemembered = 40

function remember(key: string, value: unknown): void {
  remembered.delete(key)
  remembered.set(key, value)
  const oldest = remembered.keys().next()
  if (remembered.size > maxRemembered && !oldest.done) remembered.delete(oldest.value)
}

interface State<T> {
  /** The key that data answers. */
  of: string | null
  data: T | undefined
  error: ApiError | undefined
  loading: boolean
}

/**
 * Loads what key names and loads it again when the key changes or the server says
 * that the map did. A null key loads nothing.
 */
export function useResource<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const revision = useRevision()
  const [state, setState] = useState<State<T>>(() => {
    const data = key === null ? undefined : (remembered.get(key) as T | undefined)
    return { of: key, data, error: undefined, loading: key !== null }
  })
  const [attempt, setAttempt] = useState(0)
  const loader = useRef(load)
  loader.current = load

  useEffect(() => {
    if (key === null) {
      setState({ of: key, data: undefined, error: undefined, loading: false })
      return
    }
    const abort = new AbortController()
    const known = remembered.get(key) as T | undefined
    setState((s) => (known === undefined ? { ...s, error: undefined, loading: true } : { of: key, data: known, error: undefined, loading: true }))
    loader.current(abort.signal).then(
      (data) => {
        remember(key, data)
        setState({ of: key, data, error: undefined, loading: false })
      },
      (cause: unknown) => {
        if (abort.signal.aborted) return
        const error = cause instanceof ApiError ? cause : new ApiError('internal', 0, String(cause))
        setState((s) => ({ ...s, error, loading: false }))
      },
    )
    return () => abort.abort()
  }, [key, revision, attempt])

  const reload = useCallback(() => setAttempt((n) => n + 1), [])
  return { data: state.data, error: state.error, loading: state.loading, stale: state.of !== key, reload }
}
