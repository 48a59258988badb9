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

/** What part of the matrix is seen, in CSS pixels: the names stay, the cells scroll. */
interface Frame {
  cell: number
  w: number
  h: number
  x: number
  y: number
}

interface Cell {
  row: number
  column: number
}

/** Who uses whom as a table of cells, for more groups than a drawing can hold. Arrow keys go from cell to cell, Enter opens. */
export function Matrix({ view, selection, onSelect, judged, footer }: Props) {
  const area = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const grid = useMemo(() => gridOf(view), [view])
  const [frame, setFrame] = useState<Frame>({ cell: 12, w: 0, h: 0, x: 0, y: 0 })
  const [at, setAt] = useState<Cell | null>(null)
  const chosen = useMemo(() => chosenCell(view, grid, selection), [view, grid, selection])

  useLayoutEffect(() => {
    const el = area.current
    if (!el) return
    const measure = () => setFrame((f) => ({ ...f, w: el.clientWidth, h: el.clientHeight, cell: cellSize(grid, el.clientWidth - label - overhang, el.clientHeight - label - 70) }))
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(el)
    return () => observer.disconnect()
  }, [grid])
  useEffect(() => {
    if (canvas.current) paint(canvas.current, view, grid, frame, at, chosen, judged)
  }, [view, grid, frame, at, chosen, judged])

  const under = (e: MouseEvent): Cell | null => {
    const r = e.currentTarget.getBoundingClientRect()
    if (e.clientX - r.left < label || e.clientY - r.top < label) return null
    const column = Math.floor((e.clientX - r.left - label + frame.x) / frame.cell)
    const row = Math.floor((e.clientY - r.top - label + frame.y) / frame.cell)
    return row >= 0 && column >= 0 && row < grid.rows.length && column < grid.columns.length ? { row, column } : null
  }
  const reveal = (c: Cell) => {
    const el = area.current
    if (!el) return
    const left = c.column * frame.cell
    const top = c.row * frame.cell
    const [w, h] = [frame.w - label - overhang, frame.h - label - 70]
    el.scrollTo(left < el.scrollLeft ? left : Math.max(el.scrollLeft, left + frame.cell - w), top < el.scrollTop ? top : Math.max(el.scrollTop, top + frame.cell - h))
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
      const next = step(grid, at ?? chosen ?? { row: 0, column: -1 }, move[0], move[1])
      setAt(next)
      reveal(next)
    } else if (e.key === 'Enter') choose(at)
  }
  return (
    <div className="matrix">
      <div ref={area} className="matrix-scroll" onScroll={(e) => setFrame({ ...frame, x: e.currentTarget.scrollLeft, y: e.currentTarget.scrollTop })}>
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
        <div className="matrix-space" style={{ width: label + grid.columns.length * frame.cell + overhang, height: label + grid.rows.length * frame.cell + 70 }} />
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

/** Draws what is seen of names, grid and cells; colours come from the style sheet, so that both themes work. */
function paint(el: HTMLCanvasElement, view: View, grid: Grid, f: Frame, at: Cell | null, chosen: Cell | null, judged: boolean) {
  const ratio = window.devicePixelRatio
  el.width = f.w * ratio
  el.height = f.h * ratio
  el.style.width = `${f.w}px`
  el.style.height = `${f.h}px`
  const g = el.getContext('2d')
  if (!g) return
  const style = getComputedStyle(el)
  const colour = (name: string) => style.getPropertyValue(name).trim()
  g.scale(ratio, ratio)
  g.font = `${Math.min(12, f.cell)}px ${style.fontFamily}`
  g.textBaseline = 'middle'
  within(g, label, label, f.w, f.h, () => {
    g.translate(label - f.x, label - f.y)
    stripes(g, view, grid, f.cell, colour('--line'), colour('--surface'))
    const most = Math.max(1, ...view.links.map((l) => l.flows))
    const tone = { blocked: colour('--critical'), seen: judged ? colour('--good') : colour('--accent') }
    for (const [key, i] of grid.cells) {
      const link = view.links[i]!
      g.globalAlpha = link.blocked ? 1 : strength(link, most)
      g.fillStyle = link.blocked ? tone.blocked : tone.seen
      g.fillRect((key % grid.columns.length) * f.cell + 0.5, Math.floor(key / grid.columns.length) * f.cell + 0.5, f.cell - 1, f.cell - 1)
    }
    g.globalAlpha = 1
    g.strokeStyle = colour('--ink')
    for (const c of [chosen, at]) if (c) g.strokeRect(c.column * f.cell, c.row * f.cell, f.cell, f.cell)
  })
  names(g, view, grid, f, at ?? chosen, colour('--ink'), colour('--muted'))
}

/** Draws inside a rectangle only. */
function within(g: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, draw: () => void) {
  g.save()
  g.beginPath()
  g.rect(x, y, w, h)
  g.clip()
  draw()
  g.restore()
}

/** Lines where one environment ends and the next begins. */
function stripes(g: CanvasRenderingContext2D, view: View, grid: Grid, cell: number, colour: string, ground: string) {
  g.strokeStyle = colour
  g.fillStyle = ground
  const w = grid.columns.length * cell
  const h = grid.rows.length * cell
  g.fillRect(0, 0, w, h)
  g.strokeRect(0, 0, w, h)
  const border = (list: readonly number[], i: number) => i > 0 && view.boxes[list[i]!]?.zone !== view.boxes[list[i - 1]!]?.zone
  grid.rows.forEach((_, i) => {
    if (border(grid.rows, i)) g.strokeRect(0, i * cell, w, 0)
  })
  grid.columns.forEach((_, i) => {
    if (border(grid.columns, i)) g.strokeRect(i * cell, 0, 0, h)
  })
}

function names(g: CanvasRenderingContext2D, view: View, grid: Grid, f: Frame, at: Cell | null, ink: string, muted: string) {
  const short = (text: string) => (text.length > 22 ? `${text.slice(0, 21)}…` : text)
  within(g, 0, label, label, f.h, () => {
    g.textAlign = 'right'
    grid.rows.forEach((b, i) => {
      const y = label + (i + 0.5) * f.cell - f.y
      if (y < label - f.cell || y > f.h + f.cell) return
      g.fillStyle = at?.row === i ? ink : muted
      g.fillText(short(nameOf(view.boxes[b])), label - 8, y)
    })
  })
  within(g, label, 0, f.w, label, () => {
    g.textAlign = 'left'
    grid.columns.forEach((b, i) => {
      const x = label + (i + 0.5) * f.cell - f.x
      if (x < label - overhang || x > f.w + f.cell) return
      g.save()
      g.translate(x, label - 8)
      g.rotate(-Math.PI / 3)
      g.fillStyle = at?.column === i ? ink : muted
      g.fillText(short(nameOf(view.boxes[b])), 0, 0)
      g.restore()
    })
  })
}
