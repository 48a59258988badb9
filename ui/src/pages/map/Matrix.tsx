import { useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react'
import type { Box, View } from '../../api/types'
import { count, infraName, many, shortService, title } from '../../words'
import { cellSize, gridOf, step, strength, type Grid } from './matrix'
import type { Selection } from './selection'

interface Props {
  view: View
  selection: Selection
  onSelect: (s: Selection) => void
  judged: boolean
  footer: ReactNode
}

const label = 150 // px kept for names on the left and on top
const overhang = 90 // px that slanted names of the last columns reach beyond them

interface Cell {
  row: number
  column: number
}

/** Who uses whom as a table of cells, for more groups than a drawing can hold. Arrow keys go from cell to cell, Enter opens. */
export function Matrix({ view, selection, onSelect, judged, footer }: Props) {
  const area = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const grid = useMemo(() => gridOf(view), [view])
  const [cell, setCell] = useState(12)
  const [at, setAt] = useState<Cell | null>(null)
  const chosen = useMemo(() => chosenCell(view, grid, selection), [view, grid, selection])

  useLayoutEffect(() => {
    const el = area.current
    if (el) setCell(cellSize(grid, el.clientWidth - label - overhang - 30, el.clientHeight - label - 70))
  }, [grid])
  useEffect(() => {
    if (canvas.current) paint(canvas.current, view, grid, cell, at, chosen, judged)
  }, [view, grid, cell, at, chosen, judged])

  const under = (e: MouseEvent): Cell | null => {
    const r = e.currentTarget.getBoundingClientRect()
    const column = Math.floor((e.clientX - r.left - label) / cell)
    const row = Math.floor((e.clientY - r.top - label) / cell)
    return row >= 0 && column >= 0 && row < grid.rows.length && column < grid.columns.length ? { row, column } : null
  }
  const choose = (c: Cell | null) => {
    const link = c && linkAt(view, grid, c)
    onSelect(link ? { from: view.boxes[link.from]!.id, to: view.boxes[link.to]!.id } : null)
  }
  const keys = (e: KeyboardEvent) => {
    const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }
    const move = moves[e.key]
    if (move) {
      e.preventDefault()
      setAt(step(grid, at ?? chosen ?? { row: 0, column: -1 }, move[0], move[1]))
    } else if (e.key === 'Enter') choose(at)
  }
  return (
    <div ref={area} className="matrix">
      <div className="matrix-scroll">
        <canvas
          ref={canvas}
          tabIndex={0}
          role="img"
          aria-label={`Matrix of ${grid.rows.length} groups that use ${grid.columns.length}. Arrow keys go from one dependency to the next, Enter opens it.`}
          onMouseMove={(e) => setAt(under(e))}
          onMouseLeave={() => setAt(null)}
          onClick={(e) => choose(under(e))}
          onKeyDown={keys}
        />
      </div>
      <div className="footer">
        <p className="readout" aria-live="polite">
          {at ? words(view, grid, at) : 'Rows use columns. Point at a cell.'}
        </p>
        {footer}
      </div>
    </div>
  )
}

function linkAt(view: View, grid: Grid, c: Cell) {
  const i = grid.cells.get(c.row * grid.columns.length + c.column)
  return i === undefined ? undefined : view.links[i]
}

function chosenCell(view: View, grid: Grid, s: Selection): Cell | null {
  if (s === null || !('from' in s)) return null
  const row = grid.rows.findIndex((b) => view.boxes[b]?.id === s.from)
  const column = grid.columns.findIndex((b) => view.boxes[b]?.id === s.to)
  return row < 0 || column < 0 ? null : { row, column }
}

function nameOf(box: Box | undefined): string {
  if (!box) return ''
  return (box.kind === 'infrastructure' ? infraName(box.name) : title(box.name)) + (box.env ? ` ${box.env}` : '')
}

function words(view: View, grid: Grid, c: Cell): string {
  const ends = `${nameOf(view.boxes[grid.rows[c.row]!])} → ${nameOf(view.boxes[grid.columns[c.column]!])}`
  const link = linkAt(view, grid, c)
  if (!link) return `${ends}: nothing seen`
  const services = link.services.map((s) => shortService(s.service)).join(', ') + (link.kinds > link.services.length ? ` and ${link.kinds - link.services.length} more` : '')
  return `${ends}: ${services}, ${many(link.flows, 'flow')}${link.blocked ? `, ${count(link.blocked)} of ${count(link.dependencies)} blocked` : ''}`
}

/** Draws names, grid and cells; colours come from the style sheet, so that both themes work. */
function paint(el: HTMLCanvasElement, view: View, grid: Grid, cell: number, at: Cell | null, chosen: Cell | null, judged: boolean) {
  const width = label + grid.columns.length * cell + overhang
  const height = label + grid.rows.length * cell + 20
  const ratio = window.devicePixelRatio
  el.width = width * ratio
  el.height = height * ratio
  el.style.width = `${width}px`
  el.style.height = `${height}px`
  const g = el.getContext('2d')
  if (!g) return
  const style = getComputedStyle(el)
  const colour = (name: string) => style.getPropertyValue(name).trim()
  g.scale(ratio, ratio)
  g.font = `${Math.min(12, cell)}px ${style.fontFamily}`
  g.textBaseline = 'middle'
  stripes(g, view, grid, cell, colour('--line'), colour('--surface'))
  const most = Math.max(1, ...view.links.map((l) => l.flows))
  for (const [key, i] of grid.cells) {
    const link = view.links[i]!
    const row = Math.floor(key / grid.columns.length)
    const column = key % grid.columns.length
    g.globalAlpha = link.blocked ? 1 : strength(link, most)
    g.fillStyle = link.blocked ? colour('--critical') : judged ? colour('--good') : colour('--accent')
    g.fillRect(label + column * cell + 0.5, label + row * cell + 0.5, cell - 1, cell - 1)
  }
  g.globalAlpha = 1
  for (const c of [chosen, at]) {
    if (!c) continue
    g.strokeStyle = colour('--ink')
    g.strokeRect(label + c.column * cell, label + c.row * cell, cell, cell)
  }
  if (cell >= 9) names(g, view, grid, cell, at ?? chosen, colour('--ink'), colour('--muted'))
}

/** Lines where one environment ends and the next begins. */
function stripes(g: CanvasRenderingContext2D, view: View, grid: Grid, cell: number, colour: string, ground: string) {
  g.strokeStyle = colour
  g.fillStyle = ground
  const w = grid.columns.length * cell
  const h = grid.rows.length * cell
  g.fillRect(label, label, w, h)
  g.strokeRect(label, label, w, h)
  const border = (list: readonly number[], i: number) => i > 0 && view.boxes[list[i]!]?.zone !== view.boxes[list[i - 1]!]?.zone
  grid.rows.forEach((_, i) => {
    if (border(grid.rows, i)) g.strokeRect(label, label + i * cell, w, 0)
  })
  grid.columns.forEach((_, i) => {
    if (border(grid.columns, i)) g.strokeRect(label + i * cell, label, 0, h)
  })
}

function names(g: CanvasRenderingContext2D, view: View, grid: Grid, cell: number, at: Cell | null, ink: string, muted: string) {
  const short = (text: string) => (text.length > 22 ? `${text.slice(0, 21)}…` : text)
  g.textAlign = 'right'
  grid.rows.forEach((b, i) => {
    g.fillStyle = at?.row === i ? ink : muted
    g.fillText(short(nameOf(view.boxes[b])), label - 8, label + (i + 0.5) * cell)
  })
  g.textAlign = 'left'
  grid.columns.forEach((b, i) => {
    g.save()
    g.translate(label + (i + 0.5) * cell, label - 8)
    g.rotate(-Math.PI / 3)
    g.fillStyle = at?.column === i ? ink : muted
    g.fillText(short(nameOf(view.boxes[b])), 0, 0)
    g.restore()
  })
}
