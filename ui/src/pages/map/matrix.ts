// The numbers behind the matrix: which boxes have a row or column, and what stands
// in each cell.
import type { Link, View } from '../../api/types'

export interface Grid {
  /** Box indexes, in the order of the view. */
  rows: number[]
  columns: number[]
  /** Link index by row * columns.length + column. */
  cells: ReadonlyMap<number, number>
}

/** Boxes that use something become rows, boxes that are used columns. */
export function gridOf(view: View): Grid {
  const uses = new Set(view.links.map((l) => l.from))
  const used = new Set(view.links.map((l) => l.to))
  const all = view.boxes.map((_, i) => i)
  const rows = all.filter((i) => uses.has(i))
  const columns = all.filter((i) => used.has(i))
  const rowOf = new Map(rows.map((b, i) => [b, i]))
  const columnOf = new Map(columns.map((b, i) => [b, i]))
  const cells = new Map<number, number>()
  view.links.forEach((l, i) => cells.set(rowOf.get(l.from)! * columns.length + columnOf.get(l.to)!, i))
  return { rows, columns, cells }
}

/** Cell size in CSS pixels: as large as fits, and large enough to point at and to be named; what does not fit is scrolled to. */
export function cellSize(grid: Grid, width: number, height: number): number {
  const fits = Math.min(width / Math.max(1, grid.columns.length), height / Math.max(1, grid.rows.length))
  return Math.max(12, Math.min(22, Math.floor(fits)))
}

/** How strong a cell is drawn, 0.15 to 1: the logarithm of flows. */
export function strength(link: Link, most: number): number {
  return 0.15 + (0.85 * Math.log10(1 + link.flows)) / Math.log10(1 + Math.max(1, most))
}

/** The next cell with something in it from (row, column) in a direction; where it was when there is none. */
export function step(grid: Grid, at: { row: number; column: number }, dx: number, dy: number): { row: number; column: number } {
  let { row, column } = at
  for (;;) {
    row += dy
    column += dx
    if (row < 0 || column < 0 || row >= grid.rows.length || column >= grid.columns.length) return at
    if (grid.cells.has(row * grid.columns.length + column)) return { row, column }
  }
}
