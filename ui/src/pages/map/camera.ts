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
export function centreOn(camera: Camera, box: Size & { x: number; y: number }, screen: Size): Camera {
  const zoom = clamp(Math.min(Math.max(camera.zoom, 0.7), (screen.w - 80) / box.w, (screen.h - 80) / box.h))
  return { zoom, x: screen.w / 2 - (box.x + box.w / 2) * zoom, y: screen.h / 2 - (box.y + box.h / 2) * zoom }
}

function clamp(zoom: number): number {
  return Math.min(maxZoom, Math.max(minZoom, zoom))
}
