import { useEffect, useRef, useState, type KeyboardEvent } from 'react'
import { get } from '../../api/client'
import { useResource } from '../../api/useResource'
import type { Hit } from '../../api/types'
import { scopeQuery } from './query'

/** Finds a box by name, address or label; "/" jumps here. */
export function Search({ query, onFind }: { query: URLSearchParams; onFind: (path: readonly string[]) => void }) {
  const [text, setText] = useState('')
  const [asked, setAsked] = useState('')
  const [at, setAt] = useState(0)
  const input = useRef<HTMLInputElement>(null)
  const scope = scopeQuery(query)
  useEffect(() => {
    const wait = setTimeout(() => setAsked(text.trim()), 150)
    return () => clearTimeout(wait)
  }, [text])
  useSlash(input)
  const key = asked === '' ? null : `search ${asked} ${JSON.stringify(scope)}`
  const { data, error, stale } = useResource(key, (signal) => get('/api/v1/map/search', { ...scope, q: asked, limit: 12 }, signal))
  const hits = asked === '' || stale ? [] : (data?.hits ?? [])
  // Enter before the answer to what stands in the field: taken once that is there.
  const [eager, setEager] = useState(false)
  const settled = asked === text.trim() && !stale && data !== undefined

  const choose = (hit: Hit | undefined) => {
    if (!hit) return
    setText('')
    setAsked('')
    setEager(false)
    input.current?.blur()
    onFind(hit.path)
  }
  useEffect(() => {
    if (eager && settled) choose(hits[at])
  })
  const keys = (e: KeyboardEvent) => {
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault()
      setAt((i) => Math.max(0, Math.min(hits.length - 1, i + (e.key === 'ArrowDown' ? 1 : -1))))
    } else if (e.key === 'Enter') {
      setAsked(text.trim())
      setEager(true)
    }
    else if (e.key === 'Escape') setText('')
  }
  return (
    <div className="search">
      <input
        ref={input}
        type="search"
        role="combobox"
        aria-expanded={hits.length > 0}
        aria-controls="search-hits"
        aria-activedescendant={hits[at] ? `hit-${at}` : undefined}
        aria-label="Search by name, address or label"
        placeholder="Name, address, label   /"
        value={text}
        onChange={(e) => {
          setText(e.target.value)
          setAt(0)
          setEager(false)
        }}
        onKeyDown={keys}
      />
      {text.trim() !== '' && asked !== '' ? (
        <ul id="search-hits" role="listbox" aria-label="Found">
          {hits.map((hit, i) => (
            <li key={hit.id} id={`hit-${i}`} role="option" aria-selected={i === at} onPointerDown={() => choose(hit)} onPointerEnter={() => setAt(i)}>
              <strong>{hit.name}</strong> <span>{hit.why}</span>
            </li>
          ))}
          {hits.length === 0 ? <li className="none">{error ? error.message : settled ? 'Nothing matches.' : 'Searching…'}</li> : null}
        </ul>
      ) : null}
    </div>
  )
}

function useSlash(input: React.RefObject<HTMLInputElement | null>) {
  useEffect(() => {
    const onKey = (e: globalThis.KeyboardEvent) => {
      const inField = e.target instanceof HTMLElement && /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)
      if (e.key !== '/' || inField) return
      e.preventDefault()
      input.current?.focus()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [input])
}
