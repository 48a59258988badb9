// State that matters lives in the address: /map?expand=…&infra=show. Links to it
// can be shared and survive a reload.
import { useCallback, useSyncExternalStore } from 'react'

export type PageName = 'map' | 'news' | 'inventory' | 'labels' | 'rules' | 'simulation' | 'changes' | 'violations' | 'hosts' | 'status'

export interface Address {
  page: PageName
  query: URLSearchParams
}

const pages: readonly PageName[] = ['map', 'news', 'inventory', 'labels', 'rules', 'simulation', 'changes', 'violations', 'hosts', 'status']

export function parseAddress(path: string, search: string): Address {
  const name = path.replace(/^\/+|\/+$/g, '')
  const page = pages.find((p) => p === name) ?? 'map'
  return { page, query: new URLSearchParams(search) }
}

/** Values to change in a query; undefined removes, a list repeats the key. */
export type Change = Record<string, string | readonly string[] | undefined>

/** The address after a change, without what is empty. */
export function changed(address: Address, change: Change, page: PageName = address.page): string {
  const query = new URLSearchParams(address.query)
  for (const [key, value] of Object.entries(change)) {
    query.delete(key)
    if (value === undefined || value === '') continue
    for (const v of typeof value === 'string' ? [value] : value) query.append(key, v)
  }
  const text = query.toString()
  return `/${page}${text === '' ? '' : `?${text}`}`
}

const listeners = new Set<() => void>()

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  window.addEventListener('popstate', listener)
  return () => {
    listeners.delete(listener)
    window.removeEventListener('popstate', listener)
  }
}

function snapshot(): string {
  return window.location.pathname + window.location.search
}

export function navigate(to: string, how: 'push' | 'replace' = 'push'): void {
  if (to === snapshot()) return
  if (how === 'push') window.history.pushState(null, '', to)
  else window.history.replaceState(null, '', to)
  listeners.forEach((l) => l())
}

/** The current address and a way to change its query. */
export function useAddress(): [Address, (change: Change, how?: 'push' | 'replace') => void] {
  const at = useSyncExternalStore(subscribe, snapshot)
  const cut = at.indexOf('?')
  const address = parseAddress(cut < 0 ? at : at.slice(0, cut), cut < 0 ? '' : at.slice(cut))
  const change = useCallback((c: Change, how: 'push' | 'replace' = 'push') => {
    navigate(changed(parseAddress(window.location.pathname, window.location.search), c), how)
  }, [])
  return [address, change]
}
