// Walks through the dashboard of the running demonstration, from the map down to
// flows. Arguments: the server's address, a folder for screenshots, and how many
// workloads the vendor reaches today according to the estate's own truth.
import { check, open, run } from './browser.mjs'

const [server, out, vendorReaches] = process.argv.slice(2)
const { browser, page, complaints } = await open({ viewport: { width: 1600, height: 960 } })

const panel = page.locator('.panel')
const main = page.locator('.page')
const text = (locator) => locator.evaluate((e) => e.textContent)
const shot = (name) => page.screenshot({ path: `${out}/${name}.png` })

/** A closed box by the name it shows; ids of applications are not names. */
const box = (name) => page.locator('.box', { has: page.locator('.face .name .text', { hasText: new RegExp(`^${name}$`) }) }).first()
const idOf = (name) => box(name).getAttribute('data-box')

/** The number in a text like "147 763 flow records stored" or "148 k". */
function number(words) {
  const [, digits, unit] = words.match(/([\d\u202f.]+)(?: ([kMG])\b)?/) ?? []
  return Number((digits ?? 'NaN').replace(/\u202f/g, '')) * ({ k: 1e3, M: 1e6, G: 1e9 }[unit] ?? 1)
}

/** What stands under a heading in a list of facts. */
async function fact(within, name) {
  return text(within.locator('dl', { has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd').first())
}

const when = /^\d{4}-\d\d-\d\d \d\d:\d\d$/

await run(page, out, [
  ['the map shows the chain’s applications', async () => {
    await page.goto(`${server}/`)
    for (const name of ['Payments', 'Shop', 'Store', 'Workstations', 'Orders', 'Inventory', 'HVAC', 'Vendor VPN', 'DNS']) await box(name).waitFor()
    const drawn = await text(page.locator('.drawn'))
    check(number(drawn.split('for')[1]) >= 300, `the estate has 300 workloads, the toolbar says “${drawn}”`)
    check((await page.locator('path.hit').count()) > 30, 'applications should depend on each other')
    await shot('map')
  }],
  ['names are whole, and not under their buttons', async () => {
    const hidden = await page.evaluate(() => [...document.querySelectorAll('.box:not(.open) > .opener')].flatMap((e) => {
      const shown = e.parentElement.querySelector('.name .text')
      const name = shown.getBoundingClientRect()
      const button = e.getBoundingClientRect()
      const apart = name.right <= button.left + 1 || name.bottom <= button.top || button.bottom <= name.top
      return apart && shown.scrollWidth <= shown.clientWidth ? [] : [e.getAttribute('aria-label')]
    }))
    check(hidden.length === 0, `covered or cut: ${hidden.join(', ')}`)
  }],
  ['the vendor reaches payment in three hops, today', async () => {
    await box('Vendor VPN').locator('.face').click()
    await panel.getByRole('heading', { name: 'Vendor VPN' }).waitFor()
    await panel.getByRole('button', { name: 'What can it reach?' }).click()
    await panel.getByText('Ways to what matters most, today').waitFor()
    const today = await text(panel.locator('.versus > div', { hasText: 'Today' }))
    check(new RegExp(`(^|\\D)${vendorReaches} of \\d+ workloads`).test(today), `the vendor reaches ${vendorReaches} workloads, the panel says “${today}”`)
    const ways = await panel.locator('.paths').first().locator('.path').evaluateAll((list) => list.map((p) => [...p.querySelectorAll('.hop')].map((h) => [...h.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join(''))))
    const toPayment = ways.filter((hops) => /^payments-/.test(hops.at(-1)))
    check(toPayment.length > 0 && toPayment.every((hops) => hops[0] === 'vendor-vpn' && hops.length === 4), `no way to payment in three hops among ${JSON.stringify(ways)}`)
  }],
  ['under the recommendation it reaches one', async () => {
    const draft = await text(panel.locator('.versus > div', { hasText: 'With the recommended rules' }))
    check(/(^|\D)1 of \d+ workloads/.test(draft), `one workload should be left, the panel says “${draft}”`)
    await panel.getByText('None is left.').waitFor()
    await panel.locator('.path', { hasText: /payments-/ }).first().click()
    await page.locator('.link.trace').first().waitFor({ state: 'attached' })
    check((await page.locator('.link.trace').count()) === 3, 'the way should be drawn in three steps')
    const [canvas, end] = [await page.locator('.canvas').boundingBox(), await box('Payments').boundingBox()]
    check(end.x + end.width <= canvas.x + canvas.width, 'the way should be seen to its end')
    await shot('reach')
  }],
  ['an application opens to its roles', async () => {
    await page.goto(`${server}/map`)
    await page.getByRole('button', { name: 'Open Payments' }).click()
    for (const role of ['Gateway', 'Switch', 'Db']) await page.getByRole('button', { name: new RegExp(`^${role}.*role, priority`, 'i') }).first().waitFor()
    await shot('roles')
  }],
  ['a role opens to its workloads', async () => {
    await page.getByRole('button', { name: /^Open Gateway$/i }).first().click()
    await page.locator('[data-box="node:payments-gateway01"]').waitFor()
    await page.locator('[data-box="node:payments-gateway01"] .face').click()
    await panel.getByRole('heading', { name: 'payments-gateway01' }).waitFor()
    check(/^\d+\.\d+\.\d+\.\d+/.test(await fact(panel, 'Addresses')), 'a workload should have an address')
    await shot('workloads')
  }],
  ['an edge tells services, flows and since when', async () => {
    await page.goto(`${server}/map`)
    await box('Payments').waitFor()
    const link = `${await idOf('Vendor VPN')}→${await idOf('Store')}`
    await page.locator(`path.hit[data-link="${link}"]`).dispatchEvent('click')
    await panel.getByText('SMB 445').waitFor()
    check(number(await fact(panel, 'Flows')) > 0, 'flows should be counted')
    const [first, last] = [await fact(panel, 'First seen'), await fact(panel, 'Last seen')]
    check(when.test(first) && when.test(last) && first < last, `first seen ${first}, last seen ${last}`)
    check(/\d+ %$/.test(await fact(panel, 'Direction known from')), 'the direction should have a confidence')
  }],
  ['an edge leads down to its flows', async () => {
    await panel.getByText('SMB 445').click()
    await panel.getByText('Newest records').waitFor()
    const row = await panel.locator('.flows tbody tr').first().locator('td').evaluateAll((cells) => cells.map((c) => c.textContent))
    check(when.test(row[0]) && /^10\.250\.0\.\d+/.test(row[1]) && /\d+ [kM]?B/.test(row[3]), `a record should have time, addresses and bytes: ${row.join(' | ')}`)
    const beyond = await panel.evaluate((e) => e.scrollWidth - e.clientWidth)
    check(beyond <= 0, `the records are ${beyond} pixels wider than their panel`)
    await shot('flows')
  }],
  ['rules stand on evidence', async () => {
    await page.getByRole('link', { name: 'Rules' }).click()
    await page.getByRole('heading', { name: 'payments-prod' }).click()
    await page.locator('.policy[open] .sentence').first().click()
    const drawer = page.locator('.evidence')
    await drawer.getByText('Examples, busiest first').waitFor()
    check(number(await fact(drawer, 'Connections')) > 0, 'a rule should stand on connections')
    check((await drawer.locator('tbody tr').count()) > 0, 'examples should be listed')
    await shot('rules')
  }],
  ['what is unusual waits for a decision', async () => {
    await page.getByRole('tab', { name: /For decision/ }).click()
    const titles = await page.locator('.decision h2').allTextContents()
    check(titles.some((t) => t.includes('vendor-vpn')) && titles.some((t) => t.includes('scan01')), `vendor and scanner should be asked about: ${titles.join('; ')}`)
    check(titles.length === number(await text(page.getByRole('tab', { name: /For decision/ }).locator('em'))), 'the tab should count the decisions')
    await shot('decisions')
  }],
  ['the simulation breaks nothing legitimate', async () => {
    await page.getByRole('link', { name: 'Simulation' }).click()
    const broken = page.getByRole('tab', { name: /Would break/ })
    await broken.waitFor()
    const split = await text(broken.locator('b'))
    check(split.startsWith('0 look legitimate, '), `nothing legitimate should break: ${split}`)
    check((await page.locator('.breaks-list .concern.none').count()) === 0 && (await page.locator('.breaks-list li').count()) > 0, 'what breaks should be told by cause, none of it legitimate')
    const listed = await text(page.locator('.card h2', { hasText: /^Would break/ }).locator('em'))
    check(number(split.split(', ')[1]) === number(listed.split(' of ').at(-1)), 'all of what breaks should wait for a decision')
    check(number(await text(page.getByRole('tab', { name: /Allowed and seen/ }).locator('strong'))) > 1000, 'the rest should keep working')
    await shot('simulation')
  }],
  ['the status counts what was received', async () => {
    await page.getByRole('link', { name: 'Status' }).click()
    const stored = main.locator('.figure', { hasText: 'flow records stored' })
    await stored.waitFor()
    check(number(await text(stored.locator('strong'))) > 1000, `records should be stored: ${await text(stored)}`)
    const job = await text(page.locator('.job', { hasText: 'import of the demonstration estate' }))
    check(/done$/.test(job), `the import should be done: ${job}`)
    const frames = main.locator('tbody tr').first()
    await frames.waitFor()
    check(number(await text(frames.locator('td.num').first())) > 100_000, `the capture’s packets should be counted: ${await text(frames)}`)
    check((await main.locator('.chip.warn').count()) === 0, 'everything received should be accounted for')
    await shot('status')
  }],
  ['nothing complained', async () => check(complaints.length === 0, complaints.join('\n'))],
])
await browser.close()
