// The only place that fetches. Paths, queries and answers are typed by the API's
// description.
import type { paths } from './schema'
import type { Code, Problem } from './types'

/** A failure the server explained, or a connection that failed ("offline"). */
export class ApiError extends Error {
  constructor(
    readonly code: Code | 'offline',
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

type Answer<O> = O extends { responses: { 200: { content: { 'application/json': infer B } } } } ? B : never
type QueryOf<O> = O extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never
type BodyOf<O> = O extends { requestBody: { content: { 'application/json': infer B } } } ? B : never

type Value = string | number | boolean | readonly string[] | undefined

/** The query string of values, leaving out what is undefined or empty; lists repeat their key. */
export function queryString(values: Readonly<Record<string, Value>>): string {
  const q = new URLSearchParams()
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined || value === '') continue
    if (typeof value === 'object') for (const v of value) q.append(key, v)
    else q.set(key, String(value))
  }
  const text = q.toString()
  return text === '' ? '' : `?${text}`
}

export async function get<P extends keyof paths>(
  path: P,
  query: QueryOf<paths[P] extends { get: infer O } ? O : never> | Record<string, never>,
  signal?: AbortSignal,
  parts: Readonly<Record<string, string>> = {},
): Promise<Answer<paths[P] extends { get: infer O } ? O : never>> {
  return request(filled(path, parts) + queryString(query as Record<string, Value>), signal ? { signal } : {})
}

/** A path with its {parts} filled in. */
function filled(path: string, parts: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ''))
}

/** What to tell a person about a failure. */
export function wordsOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

export async function post<P extends keyof paths>(
  path: P,
  body: BodyOf<paths[P] extends { post: infer O } ? O : never>,
  query: Readonly<Record<string, Value>> = {},
  parts: Readonly<Record<string, string>> = {},
): Promise<Answer<paths[P] extends { post: infer O } ? O : never>> {
  return request(filled(path, parts) + queryString(query), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
}

async function request<T>(url: string, init: RequestInit): Promise<T> {
  const response = await send(url, init)
  return (await response.json()) as T
}

async function send(url: string, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { credentials: 'same-origin', ...init })
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw new ApiError('offline', 0, 'Bulkhead does not answer. Is it still running?')
  }
  if (response.ok) return response
  throw await problemOf(response)
}

async function problemOf(response: Response): Promise<ApiError> {
  try {
    const problem = (await response.json()) as Problem
    return new ApiError(problem.code, response.status, problem.detail)
  } catch {
    return new ApiError('internal', response.status, `The server answered ${response.status} ${response.statusText}`)
  }
}
