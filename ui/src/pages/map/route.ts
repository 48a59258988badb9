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
  middle: Point
  /** Places along it where a label may stand, the best first. */
  spots: readonly Point[]
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

/**
 * The curves of wires between boxes, in the order of the wires. Sideways ones go
 * around the obstacles: boxes that a line behind them would seem to end at.
 */
export function route(boxes: readonly Rect[], wires: readonly Wire[], obstacles: readonly number[] = []): Curve[] {
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
  return wires.map((wire, i) => {
    const others = obstacles.filter((o) => o !== wire.from && o !== wire.to).map((o) => boxes[o]!)
    const bends = detour(starts[i], stops[i], others)
    return sideEntry(starts[i], boxes[wire.to], bends) ?? curve(starts[i], stops[i], bends)
  })
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

interface Point {
  x: number
  y: number
}

/** Where a line must bend to pass beside boxes in its way. Lines from top to bottom are sideways ones turned by a corner. */
function detour(a: Anchor | undefined, b: Anchor | undefined, boxes: readonly Rect[]): Point[] {
  if (!a || !b || a.side === b.side) return []
  if (!upright(a)) return around(a, b, boxes)
  return around(turned(a), turned(b), boxes.map((o) => ({ x: o.y, y: o.x, w: o.h, h: o.w }))).map((p) => ({ x: p.y, y: p.x }))
}

function upright(a: Anchor): boolean {
  return a.side === 'top' || a.side === 'bottom'
}

function turned(a: Anchor): Anchor {
  const sides: Readonly<Record<Side, Side>> = { left: 'top', right: 'bottom', top: 'left', bottom: 'right' }
  return { x: a.y, y: a.x, side: sides[a.side] }
}

const berth = 13 // px between a line and a box it goes around
const mostDetours = 5

/** Where a sideways line must bend to pass above or below boxes in its way, in the order of travel. */
function around(a: Anchor, b: Anchor, boxes: readonly Rect[]): Point[] {
  const [left, right] = a.x < b.x ? [a, b] : [b, a]
  const between = boxes.filter((o) => o.x > left.x - 4 && o.x + o.w < right.x + 4)
  const bends: Point[] = []
  for (let n = 0; n < mostDetours; n++) {
    const path = [left, ...bends, right]
    const hit = firstHit(path, between)
    if (!hit) break
    const y = hit.y - berth < 0 || Math.abs(hit.at - hit.top) > Math.abs(hit.bottom - hit.at) ? hit.bottom + berth : hit.top - berth
    const past = bends.findIndex((p) => p.x > hit.left)
    bends.splice(past < 0 ? bends.length : past, 0, { x: hit.left, y }, { x: hit.right, y })
  }
  if (firstHit([left, ...bends, right], between)) return [] // no way round: better straight behind than lost
  return a.x < b.x ? bends : bends.reverse()
}

/** The first box that the pieces between points run behind. */
function firstHit(path: readonly Point[], boxes: readonly Rect[]) {
  for (let k = 0; k + 1 < path.length; k++) {
    const p = path[k]!
    const q = path[k + 1]!
    for (const o of boxes) {
      if (o.x + o.w < p.x || o.x > q.x) continue
      const at = hitAt(p, q, o)
      if (at !== undefined) return { at, y: o.y, top: o.y, bottom: o.y + o.h, left: Math.max(o.x - 6, p.x + 1), right: Math.min(o.x + o.w + 6, q.x - 1) }
    }
  }
  return undefined
}

/** The height at which an S-curve from p to q runs behind a box. */
function hitAt(p: Point, q: Point, o: Rect): number | undefined {
  for (let i = 0; i <= 8; i++) {
    const x = o.x + (o.w * i) / 8
    if (x <= p.x || x >= q.x) continue
    const t = (x - p.x) / (q.x - p.x)
    const y = p.y + (q.y - p.y) * (t * t * (3 - 2 * t))
    if (y > o.y - 3 && y < o.y + o.h + 3) return y
  }
  return undefined
}

/** Smooth pieces through the bends, level (or upright) where they bend. */
function through(from: Point, bends: readonly Point[], to: Point, up: boolean): string {
  let at = from
  let d = ''
  for (const p of [...bends, to]) {
    const mid = up ? (at.y + p.y) / 2 : (at.x + p.x) / 2
    if (up) d += at.x === p.x ? `L${r(p.x)} ${r(p.y)}` : `C${r(at.x)} ${r(mid)} ${r(p.x)} ${r(mid)} ${r(p.x)} ${r(p.y)}`
    else d += at.y === p.y ? `L${r(p.x)} ${r(p.y)}` : `C${r(mid)} ${r(at.y)} ${r(mid)} ${r(p.y)} ${r(p.x)} ${r(p.y)}`
    at = p
  }
  return d
}

function curve(a: Anchor | undefined, b: Anchor | undefined, bends: readonly Point[]): Curve {
  if (!a || !b) return { d: '', middle: { x: 0, y: 0 }, spots: [] }
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
  const bend = bends[Math.floor(bends.length / 2)]
  if (bend) return { d: `M${r(a.x)} ${r(a.y)}${through(a, bends, tip, upright(a))}${head}`, middle: bend, spots: [bend, ...bends.filter((p) => p !== bend)] }
  const at = (t: number): Point => {
    const u = 1 - t
    const mix = (p: number, q: number, s: number, e: number) => u * u * u * p + 3 * u * u * t * q + 3 * u * t * t * s + t * t * t * e
    return { x: mix(a.x, c1.x, c2.x, tip.x), y: mix(a.y, c1.y, c2.y, tip.y) }
  }
  const spots = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82].map(at)
  return { d: `M${r(a.x)} ${r(a.y)}C${r(c1.x)} ${r(c1.y)} ${r(c2.x)} ${r(c2.y)} ${r(tip.x)} ${r(tip.y)}${head}`, middle: spots[0]!, spots }
}

const tight = 24 // px: too little room to turn into a box from above or below

/** A line that comes down beside a box right before its end goes in from the side instead of hooking under it. */
function sideEntry(a: Anchor | undefined, end: Rect | undefined, bends: readonly Point[]): Curve | undefined {
  const lane = bends[bends.length - 1]
  if (!a || !end || !lane || !upright(a)) return undefined
  const room = Math.min(Math.abs(end.y - lane.y), Math.abs(lane.y - (end.y + end.h)))
  if (room > tight || (lane.x > end.x && lane.x < end.x + end.w)) return undefined
  const right = lane.x >= end.x + end.w
  const way = right ? 1 : -1
  const tip = { x: (right ? end.x + end.w : end.x) + way * 5, y: end.y + end.h / 2 }
  const turn = Math.min(10, Math.abs(lane.x - tip.x))
  const before = lane.y < tip.y ? -turn : turn
  const head = `M${r(tip.x + way * 6)} ${r(tip.y - 4)}L${r(tip.x)} ${r(tip.y)}L${r(tip.x + way * 6)} ${r(tip.y + 4)}`
  const d = `M${r(a.x)} ${r(a.y)}${through(a, bends.slice(0, -1), lane, true)}L${r(lane.x)} ${r(tip.y + before)}Q${r(lane.x)} ${r(tip.y)} ${r(lane.x - way * turn)} ${r(tip.y)}L${r(tip.x)} ${r(tip.y)}${head}`
  return { d, middle: lane, spots: [...bends].reverse() }
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

/**
 * Where labels of the given widths stand: each at the first of its curve's spots that
 * no earlier label and no closed box takes; null where there is none. A single label
 * always stands somewhere. scale is how much larger than the drawing the labels are.
 */
export function placeLabels(curves: readonly Curve[], widths: readonly number[], boxes: readonly Rect[], scale = 1): (Point | null)[] {
  const taken: Rect[] = [...boxes]
  return curves.map((c, i) => {
    const w = widths[i]! * scale
    const h = 22 * scale
    const frame = (p: Point): Rect => ({ x: p.x - w / 2, y: p.y - h / 2, w, h })
    const spot = c.spots.find((p) => !taken.some((o) => overlap(frame(p), o))) ?? (curves.length === 1 ? c.middle : null)
    if (spot) taken.push(frame(spot))
    return spot
  })
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
}
