// Where links run: pure geometry, from placed boxes to curves. Ends are spread
// along a box's side in the order of what they lead to, so that curves do not
// cross where they leave.

export interface Rect {
  x: number
  y: number
  w: number
  h: number
}

export interface Wire {
  from: number
  to: number
}

export interface Curve {
  /** SVG path data, the arrow head included. */
  d: string
  /** The middle of the curve, for a label. */
  middle: { x: number; y: number }
}

type Side = 'left' | 'right' | 'top' | 'bottom'

interface End {
  wire: number
  box: number
  side: Side
  /** Centre of the box at the other end, along this side. */
  towards: number
  start: boolean
}

const clear = 24
const spread = 16

/** Which sides a link from a to b uses: the facing ones, sideways when possible. */
export function sides(a: Rect, b: Rect): [Side, Side] {
  if (b.x - (a.x + a.w) >= clear) return ['right', 'left']
  if (a.x - (b.x + b.w) >= clear) return ['left', 'right']
  if (b.y >= a.y + a.h) return ['bottom', 'top']
  if (a.y >= b.y + b.h) return ['top', 'bottom']
  return ['right', 'right']
}

/** The curves of wires between boxes, in the order of the wires. */
export function route(boxes: readonly Rect[], wires: readonly Wire[]): Curve[] {
  const ends = new Map<string, End[]>()
  const add = (end: End) => {
    const key = `${end.box} ${end.side}`
    const list = ends.get(key)
    if (list) list.push(end)
    else ends.set(key, [end])
  }
  wires.forEach((wire, i) => {
    const a = boxes[wire.from]
    const b = boxes[wire.to]
    if (!a || !b) return
    const [leave, arrive] = sides(a, b)
    add({ wire: i, box: wire.from, side: leave, towards: along(leave, b), start: true })
    add({ wire: i, box: wire.to, side: arrive, towards: along(arrive, a), start: false })
  })
  const starts: Anchor[] = []
  const stops: Anchor[] = []
  for (const list of ends.values()) {
    list.sort((p, q) => p.towards - q.towards || p.wire - q.wire)
    list.forEach((end, k) => {
      const anchor = anchorOf(boxes[end.box]!, end.side, k, list.length)
      if (end.start) starts[end.wire] = anchor
      else stops[end.wire] = anchor
    })
  }
  return wires.map((_, i) => curve(starts[i], stops[i]))
}

interface Anchor {
  x: number
  y: number
  side: Side
}

function along(side: Side, other: Rect): number {
  return side === 'left' || side === 'right' ? other.y + other.h / 2 : other.x + other.w / 2
}

function anchorOf(box: Rect, side: Side, k: number, of: number): Anchor {
  const length = side === 'left' || side === 'right' ? box.h : box.w
  const step = Math.min(spread, (length - 20) / Math.max(1, of))
  const offset = length / 2 + (k - (of - 1) / 2) * step
  switch (side) {
    case 'left':
      return { x: box.x, y: box.y + offset, side }
    case 'right':
      return { x: box.x + box.w, y: box.y + offset, side }
    case 'top':
      return { x: box.x + offset, y: box.y, side }
    case 'bottom':
      return { x: box.x + offset, y: box.y + box.h, side }
  }
}

const heading: Readonly<Record<Side, readonly [number, number]>> = {
  left: [-1, 0],
  right: [1, 0],
  top: [0, -1],
  bottom: [0, 1],
}

function curve(a: Anchor | undefined, b: Anchor | undefined): Curve {
  if (!a || !b) return { d: '', middle: { x: 0, y: 0 } }
  const [ax, ay] = heading[a.side]
  const [bx, by] = heading[b.side]
  const gap = 5 // the tip stops short of the box, so that it can be seen
  const tip = { x: b.x + bx * gap, y: b.y + by * gap }
  const dx = Math.abs(tip.x - a.x)
  const dy = Math.abs(tip.y - a.y)
  const reach = a.side === b.side ? 60 + dy * 0.25 : Math.max(28, (ax !== 0 ? dx : dy) * 0.5)
  const c1 = { x: a.x + ax * reach, y: a.y + ay * reach }
  const c2 = { x: tip.x + bx * reach, y: tip.y + by * reach }
  const head = `M${r(tip.x + bx * 6 - by * 4)} ${r(tip.y + by * 6 - bx * 4)}L${r(tip.x)} ${r(tip.y)}L${r(tip.x + bx * 6 + by * 4)} ${r(tip.y + by * 6 + bx * 4)}`
  return {
    d: `M${r(a.x)} ${r(a.y)}C${r(c1.x)} ${r(c1.y)} ${r(c2.x)} ${r(c2.y)} ${r(tip.x)} ${r(tip.y)}${head}`,
    middle: { x: (a.x + 3 * c1.x + 3 * c2.x + tip.x) / 8, y: (a.y + 3 * c1.y + 3 * c2.y + tip.y) / 8 },
  }
}

function r(n: number): number {
  return Math.round(n * 10) / 10
}

/** Stroke width of a link: the logarithm of its flows. */
export function weight(flows: number): number {
  return 1 + Math.min(3.2, Math.log10(1 + flows) * 0.55)
}

/** How clearly a link is drawn beside the busiest one: rare use stays visible, but behind. */
export function presence(flows: number, most: number): number {
  return 0.32 + (0.43 * Math.log10(1 + flows)) / Math.log10(1 + Math.max(1, most))
}
