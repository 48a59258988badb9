import { useState } from 'react'
import { count } from '../words'

const step = 100

/** The first hundred of a list, and a button for the next: thousands of rows are slow to draw and are never read. */
export function useMore<T>(list: readonly T[]): [readonly T[], React.JSX.Element | null] {
  const [shown, setShown] = useState(step)
  const left = list.length - shown
  if (left <= 0) return [list, null]
  const button = (
    <p className="note">
      {count(shown)} of {count(list.length)} are listed.{' '}
      <button type="button" className="button plain" onClick={() => setShown(shown + step)}>
        Show {count(Math.min(step, left))} more
      </button>
    </p>
  )
  return [list.slice(0, shown), button]
}
