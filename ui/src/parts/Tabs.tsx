import type { KeyboardEvent } from 'react'
import { count } from '../words'

export interface Tab<T extends string> {
  id: T
  text: string
  count?: number
  /** The count wants attention. */
  warn?: boolean
}

interface Props<T extends string> {
  tabs: readonly Tab<T>[]
  current: T
  onChange: (id: T) => void
  label: string
}

/** A row of tabs; the arrow keys go from one to the next. */
export function Tabs<T extends string>({ tabs, current, onChange, label }: Props<T>) {
  const keys = (e: KeyboardEvent<HTMLDivElement>) => {
    const step = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0
    if (step === 0) return
    const at = tabs.findIndex((t) => t.id === current)
    const next = tabs[(at + step + tabs.length) % tabs.length]!
    e.preventDefault()
    onChange(next.id)
    e.currentTarget.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus()
  }
  return (
    <div className="tabs" role="tablist" aria-label={label} onKeyDown={keys}>
      {tabs.map((t) => (
        <button key={t.id} type="button" role="tab" data-tab={t.id} tabIndex={t.id === current ? 0 : -1} aria-selected={t.id === current} onClick={() => onChange(t.id)}>
          {t.text}
          {t.count === undefined ? null : <em className={t.warn ? 'warn' : ''}> {count(t.count)}</em>}
        </button>
      ))}
    </div>
  )
}
