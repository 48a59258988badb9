import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode, type RefObject } from 'react'
import type { View } from '../../api/types'
import { BoxShape } from './BoxShape'
import { around, centreOn, fit, follow, keepInSight, seeAll, zoomAt, type Camera } from './camera'
import { Links } from './Links'
import { Legend } from './Legend'
import type { Shade } from './query'
import { litBy, litByTrace, type Selection, type Trace } from './selection'
import { ShadeLegend } from './shade'

interface Props {
  view: View
  selection: Selection
  onSelect: (s: Selection) => void
  onToggle: (id: string) => void
  /** A path to show instead of the selection. */
  trace: Trace | null
  /** Links are coloured by what a draft would do with them. */
  judged: boolean
  /** What the boxes show by their colour. */
  shade: Shade
  /** What stands beside the legend. */
  footer: ReactNode
  /** Box to bring into view, changed by search and by keyboard. */
  seek: string | undefined
}

/** The drawing: zones, boxes and links under a camera moved by mouse, touch and keys. */
export function Canvas({ view, selection, onSelect, onToggle, trace, judged, shade, footer, seek }: Props) {
  const screen = useRef<HTMLDivElement>(null)
  const [camera, setCamera] = useState<Camera>({ x: 0, y: 0, zoom: 1 })
  const [hover, setHover] = useState<Selection>(null)
  const [dragging, setDragging] = useState(false)
  // The box that was opened or closed last: it stays put while the drawing around it changes.
  const anchor = useRef<string | undefined>(undefined)
  useCamera(view, screen, anchor, setCamera, seek)
  useSelectionInSight(view, screen, setCamera, selection)
  useTraceInSight(view, screen, setCamera, trace)
  const drag = useDrag(setCamera, setDragging, () => onSelect(null))
  useWheel(screen, setCamera)

  const lit = useMemo(() => (trace ? litByTrace(view, trace) : litBy(view, hover ?? selection)), [view, hover, selection, trace])
  const toggle = useCallback(
    (id: string) => {
      anchor.current = id
      onToggle(id)
    },
    [onToggle],
  )
  const keys = (e: KeyboardEvent) => {
    const area = screen.current?.getBoundingClientRect()
    if (!area || (e.target as HTMLElement).tagName === 'INPUT') return
    const step = 80
    const moves: Record<string, (c: Camera) => Camera> = {
      ArrowLeft: (c) => ({ ...c, x: c.x + step }),
      ArrowRight: (c) => ({ ...c, x: c.x - step }),
      ArrowUp: (c) => ({ ...c, y: c.y + step }),
      ArrowDown: (c) => ({ ...c, y: c.y - step }),
      '+': (c) => zoomAt(c, 1.25, area.width / 2, area.height / 2),
      '=': (c) => zoomAt(c, 1.25, area.width / 2, area.height / 2),
      '-': (c) => zoomAt(c, 0.8, area.width / 2, area.height / 2),
      '0': () => fit(view.size, { w: area.width, h: area.height }),
    }
    const move = moves[e.key]
    if (!move) return
    e.preventDefault()
    setCamera(move)
  }

  const middle = () => {
    const area = screen.current!.getBoundingClientRect()
    return { w: area.width, h: area.height }
  }
  const distance = camera.zoom < 0.4 ? ' far' : camera.zoom < 0.72 ? ' mid' : ''
  return (
    <div
      ref={screen}
      className={`canvas${dragging ? ' dragging' : ''}${judged ? ' judged' : ''}${shade === 'priority' ? '' : ' shaded'}${distance}`}
      role="group"
      aria-label="Dependency map. Arrow keys move, plus and minus zoom, 0 shows everything."
      tabIndex={-1}
      onKeyDown={keys}
      onScroll={(e) => unscroll(e.currentTarget, setCamera)}
      {...drag}
    >
      <div className="board" style={{ transform: `translate(${camera.x}px, ${camera.y}px) scale(${camera.zoom})` }}>
        {view.zones.map((z) => (
          <div key={z.id} className={`zone ${zoneClass(z.id)}`} style={{ left: z.x, top: z.y, width: z.w, height: z.h }}>
            <h2>{z.name}</h2>
          </div>
        ))}
        {view.boxes.map((box, i) =>
          box.open ? (
            <BoxShape key={box.id} box={box} index={i} lit={lit} selection={selection} onSelect={onSelect} onToggle={toggle} onHover={setHover} />
          ) : null,
        )}
        <Links view={view} lit={lit} selection={selection} scale={distance === ' far' ? 2.1 : distance === ' mid' ? 1.5 : 1} onSelect={onSelect} onHover={setHover} />
        {view.boxes.map((box, i) =>
          box.open ? null : (
            <BoxShape key={box.id} box={box} index={i} lit={lit} selection={selection} onSelect={onSelect} onToggle={toggle} onHover={setHover} />
          ),
        )}
      </div>
      <div className="footer">
        <Legend judged={judged} chosen={lit !== null} traced={trace !== null} />
        {shade === 'priority' ? null : <ShadeLegend shade={shade} exposure={view.exposure} />}
        {footer}
      </div>
      <div className="zoomer" role="toolbar" aria-label="Zoom">
        <button type="button" onClick={() => setCamera((c) => zoomAt(c, 1.3, middle().w / 2, middle().h / 2))} aria-label="Zoom in">
          +
        </button>
        <button type="button" onClick={() => setCamera((c) => zoomAt(c, 1 / 1.3, middle().w / 2, middle().h / 2))} aria-label="Zoom out">
          −
        </button>
        <button type="button" onClick={() => setCamera(fit(view.size, middle()))} aria-label="Show everything" title="Show everything (0)">
          ⤢
        </button>
      </div>
    </div>
  )
}

function zoneClass(id: string): string {
  if (id === 'outside' || id === 'infrastructure') return id
  return /^env:(prod|production)$/.test(id) ? 'production' : 'other'
}

function useCamera(
  view: View,
  screen: RefObject<HTMLDivElement | null>,
  anchor: RefObject<string | undefined>,
  setCamera: (f: (c: Camera) => Camera) => void,
  seek: string | undefined,
) {
  const before = useRef<View | undefined>(undefined)
  useLayoutEffect(() => {
    const el = screen.current
    if (!el) return
    const size = { w: el.clientWidth, h: el.clientHeight }
    const old = before.current
    before.current = view
    const id = anchor.current
    const was = old?.boxes.find((b) => b.id === id)
    const is = view.boxes.find((b) => b.id === id)
    if (old && was && is) setCamera((c) => (is.open ? centreOn(c, is, size) : keepInSight(follow(c, was, is), is, size)))
    else if (!old || old.size.w !== view.size.w || old.size.h !== view.size.h) setCamera(() => fit(view.size, size))
    anchor.current = undefined
    // A box that opens is drawn anew, below the links; whoever sat on it sits on it still.
    if (id !== undefined && document.activeElement === document.body) {
      el.querySelector<HTMLElement>(`[data-box="${CSS.escape(id)}"] > .face`)?.focus({ preventScroll: true })
    }
  }, [view, screen, anchor, setCamera])
  useEffect(() => {
    const el = screen.current
    const box = view.boxes.find((b) => b.id === seek)
    if (el && box) setCamera((c) => centreOn(c, box, { w: el.clientWidth, h: el.clientHeight }))
  }, [seek, view, screen, setCamera])
}

/** Browsers scroll to what the tab key reaches; here it is the camera that moves. */
function unscroll(el: HTMLElement, setCamera: (f: (c: Camera) => Camera) => void) {
  const { scrollLeft, scrollTop } = el
  if (scrollLeft === 0 && scrollTop === 0) return
  el.scrollTo(0, 0)
  setCamera((c) => ({ ...c, x: c.x - scrollLeft, y: c.y - scrollTop }))
}

/** When the panel takes part of the screen, what was chosen must not end up behind it. */
function useSelectionInSight(view: View, screen: RefObject<HTMLDivElement | null>, setCamera: (f: (c: Camera) => Camera) => void, selection: Selection) {
  const chosen = selection !== null && 'box' in selection ? selection.box : undefined
  useLayoutEffect(() => {
    const el = screen.current
    const box = view.boxes.find((b) => b.id === chosen)
    if (el && box) setCamera((c) => keepInSight(c, box, { w: el.clientWidth, h: el.clientHeight }))
  }, [chosen]) // not on a new view: useCamera has placed the camera then
}

/** A path that is shown is seen from end to end. */
function useTraceInSight(view: View, screen: RefObject<HTMLDivElement | null>, setCamera: (f: (c: Camera) => Camera) => void, trace: Trace | null) {
  useLayoutEffect(() => {
    const el = screen.current
    const stops = trace === null ? [] : [...litByTrace(view, trace).boxes].flatMap((i) => view.boxes[i] ?? [])
    if (el && stops.length > 0) setCamera((c) => seeAll(c, around(stops), { w: el.clientWidth, h: el.clientHeight }))
  }, [trace]) // not on a new view: useCamera has placed the camera then
}

function useDrag(setCamera: (f: (c: Camera) => Camera) => void, setDragging: (d: boolean) => void, onBackground: () => void) {
  const from = useRef<{ x: number; y: number; moved: boolean; background: boolean } | null>(null)
  return {
    onPointerDown: (e: PointerEvent<HTMLDivElement>) => {
      if (e.button !== 0 || (e.target as HTMLElement).closest('.zoomer')) return
      const background = !(e.target as HTMLElement).closest('.box, .link')
      from.current = { x: e.clientX, y: e.clientY, moved: false, background }
    },
    onPointerMove: (e: PointerEvent<HTMLDivElement>) => {
      const f = from.current
      if (!f) return
      const dx = e.clientX - f.x
      const dy = e.clientY - f.y
      if (!f.moved && Math.abs(dx) + Math.abs(dy) < 5) return
      if (!f.moved) {
        f.moved = true
        setDragging(true)
        e.currentTarget.setPointerCapture(e.pointerId)
      }
      f.x = e.clientX
      f.y = e.clientY
      setCamera((c) => ({ ...c, x: c.x + dx, y: c.y + dy }))
    },
    onPointerUp: () => {
      const f = from.current
      from.current = null
      setDragging(false)
      if (f && !f.moved && f.background) onBackground()
    },
    onPointerCancel: () => {
      from.current = null
      setDragging(false)
    },
  }
}

/** Wheel zooms at the pointer; with shift, or from a touchpad sideways, it moves. React's own wheel listener is passive and cannot stop the page from scrolling. */
function useWheel(screen: RefObject<HTMLDivElement | null>, setCamera: (f: (c: Camera) => Camera) => void) {
  useEffect(() => {
    const el = screen.current
    if (!el) return
    const onWheel = (e: WheelEvent) => {
      e.preventDefault()
      const area = el.getBoundingClientRect()
      if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) setCamera((c) => ({ ...c, x: c.x - e.deltaX - (e.shiftKey ? e.deltaY : 0), y: c.y }))
      else setCamera((c) => zoomAt(c, Math.exp(-e.deltaY * (e.ctrlKey ? 0.01 : 0.0016)), e.clientX - area.left, e.clientY - area.top))
    }
    el.addEventListener('wheel', onWheel, { passive: false })
    return () => el.removeEventListener('wheel', onWheel)
  }, [screen, setCamera])
}
