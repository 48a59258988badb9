// The camera over the drawing: which part is seen, how large.

export interface Camera {
  /** Screen = drawing * zoom + offset, in CSS pixels. */
  x: number
  y: number
  zoom: number
}

export interface Size {
  w: number
  h: number
}

/** A part of the drawing, in its own units. */
export interface Rect extends Size {
  x: number
  y: number
}

/** Space left around what is brought into sight, in CSS pixels. */
const gap = 40

/** Height kept free at the bottom of the screen, in CSS pixels. */
const footer = 24

export const minZoom = 0.08
export const maxZoom = 2.5

/** The camera that shows all of the drawing, and no more than life size. */
export function fit(drawing: Size, screen: Size, margin = 28): Camera {
  if (drawing.w <= 0 || drawing.h <= 0 || screen.w <= 0 || screen.h <= 0) return { x: 0, y: 0, zoom: 1 }
  const below = footer + margin // the legend stands at the bottom
  const zoom = clamp(Math.min((screen.w - 2 * margin) / drawing.w, (screen.h - margin - below) / drawing.h, 1))
  return { zoom, x: (screen.w - drawing.w * zoom) / 2, y: Math.max(margin, (screen.h - footer - drawing.h * zoom) / 2) }
}

/** Zooms by a factor, the point (x, y) of the screen staying where it is. */
export function zoomAt(camera: Camera, factor: number, x: number, y: number): Camera {
  const zoom = clamp(camera.zoom * factor)
  const k = zoom / camera.zoom
  return { zoom, x: x - (x - camera.x) * k, y: y - (y - camera.y) * k }
}

/** Moves the camera so that a box that was at one place of the drawing and is now at another stays put on the screen. */
export function follow(camera: Camera, before: { x: number; y: number }, now: { x: number; y: number }): Camera {
  return { ...camera, x: camera.x + (before.x - now.x) * camera.zoom, y: camera.y + (before.y - now.y) * camera.zoom }
}

/** The camera that has a rectangle of the drawing in the middle of the screen, large enough to read. */
export function centreOn(camera: Camera, box: Rect, screen: Size): Camera {
  const zoom = clamp(Math.min(Math.max(camera.zoom, 0.7), (screen.w - 80) / box.w, (screen.h - 80) / box.h))
  return { zoom, x: screen.w / 2 - (box.x + box.w / 2) * zoom, y: screen.h / 2 - (box.y + box.h / 2) * zoom }
}

/** The camera that has a rectangle in sight, moved as little as needed; one too large for the screen is seen from its beginning. */
export function keepInSight(c: Camera, box: Rect, screen: Size): Camera {
  const shift = (at: number, length: number, room: number) => {
    const end = at + length
    if (length > room - 2 * gap) return gap - at
    if (end > room - gap) return room - gap - end
    return at < gap ? gap - at : 0
  }
  return {
    ...c,
    x: c.x + shift(c.x + box.x * c.zoom, box.w * c.zoom, screen.w),
    y: c.y + shift(c.y + box.y * c.zoom, box.h * c.zoom, screen.h),
  }
}

/** As keepInSight, from further away when the rectangle is too large for the screen. */
export function seeAll(c: Camera, box: Rect, screen: Size): Camera {
  const zoom = clamp(Math.min(c.zoom, (screen.w - 2 * gap) / box.w, (screen.h - 2 * gap) / box.h))
  return keepInSight({ ...c, zoom }, box, screen)
}

/** The smallest rectangle around some. */
export function around(boxes: readonly Rect[]): Rect {
  const x = Math.min(...boxes.map((b) => b.x))
  const y = Math.min(...boxes.map((b) => b.y))
  return { x, y, w: Math.max(...boxes.map((b) => b.x + b.w)) - x, h: Math.max(...boxes.map((b) => b.y + b.h)) - y }
}

function clamp(zoom: number): number {
  return Math.min(maxZoom, Math.max(minZoom, zoom))
}
