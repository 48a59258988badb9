// A headless Chromium that collects what the page complains about.
import { chromium } from 'playwright-core'

const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]

export async function open(options = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags })
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000) // a busy machine is no failure
  const complaints = []
  page.on('console', (m) => {
    if (m.type() === 'error' && !/status of [45]\d\d/.test(m.text())) complaints.push(m.text())
  })
  page.on('pageerror', (e) => complaints.push(String(e)))
  page.on('dialog', (d) => {
    complaints.push(`dialog: ${d.message()}`)
    void d.dismiss()
  })
  return { browser, page, complaints }
}

export function check(truth, message) {
  if (!truth) throw new Error(message)
}

/** Runs steps in order; the first failure is reported with a screenshot of what was there. */
export async function run(page, out, steps) {
  for (const [name, step] of steps) {
    const began = Date.now()
    try {
      await step()
    } catch (cause) {
      await page.screenshot({ path: `${out}/failed.png` })
      console.error(`FAIL ${name} at ${page.url()}: ${cause.message}`)
      process.exitCode = 1
      return
    }
    console.log(`ok ${name} ${Date.now() - began} ms`)
  }
}
