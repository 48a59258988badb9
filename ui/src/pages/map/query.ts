// From the address to the API's parameters.
import type { Level } from '../../api/types'

/** What narrows down every request about the map. */
export interface Scope {
  since?: string
  until?: string
  group?: string
}

export function scopeQuery(q: URLSearchParams): Scope {
  return { ...optional(q, 'since'), ...optional(q, 'until'), ...optional(q, 'group') }
}

export function isMatrix(q: URLSearchParams): boolean {
  return q.get('as') === 'matrix'
}

/** The level of the recommendation to judge links by; none: as seen. */
export function draftOf(q: URLSearchParams): { draft?: Level } {
  const v = q.get('draft')
  return v === 'ringfence' || v === 'tier' || v === 'service' || v === 'workload' ? { draft: v } : {}
}

export type Shade = 'priority' | 'reach' | 'readiness'

/** What the boxes show by their colour. */
export function shadeOf(q: URLSearchParams): Shade {
  const v = q.get('shade')
  return v === 'reach' || v === 'readiness' ? v : 'priority'
}

export type InfraChoice = 'fold' | 'show' | 'hide'

export function infraOf(q: URLSearchParams): InfraChoice {
  const v = q.get('infra')
  return v === 'show' || v === 'hide' ? v : 'fold'
}

export function mapQuery(q: URLSearchParams) {
  return { ...scopeQuery(q), ...optional(q, 'focus'), ...optional(q, 'newSince'), ...draftOf(q), ...(shadeOf(q) === 'priority' ? {} : { shade: shadeOf(q) }), expand: q.getAll('expand').sort(), infra: infraOf(q), ...(isMatrix(q) ? { as: 'matrix' as const } : {}) }
}

function optional<K extends string>(q: URLSearchParams, key: K): { [k in K]?: string } {
  const v = q.get(key)
  return (v === null || v === '' ? {} : { [key]: v }) as { [k in K]?: string }
}
