// Walks through the dashboard as a new user would. Arguments: the address of a
// server over the hand-made estate, of one without traffic, of one that fails,
// and a folder for screenshots.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { check, open, run } from './browser.mjs'

const [full, empty, broken, out] = process.argv.slice(2)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const { browser, page, complaints } = await open()

const box = (id) => page.locator(`[data-box="${id}"]`)
const face = (id) => box(id).locator('.face')
const panel = page.locator('.panel')
const shot = (name) => page.screenshot({ path: `${out}/${name}.png` })

async function accessible(where) {
  await page.evaluate(axe)
  const found = await page.evaluate(async () => {
    const r = await window.axe.run(document, { resultTypes: ['violations'] })
    return r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join('; ')}`)
  })
  check(found.length === 0, `${where}: ${found.join('\n')}`)
}

await run(page, out, [
  ['the map opens', async () => {
    await page.goto(`${full}/`)
    await box('app:payments-prod').waitFor()
    check(/22 boxes for 574 hosts/.test(await page.locator('.drawn').textContent()), 'the toolbar should say how much is drawn')
    await shot('map')
    await accessible('map')
  }],
  ['no two boxes overlap', async () => {
    const overlaps = await page.evaluate(() => {
      const rects = [...document.querySelectorAll('.box')].map((e) => [e.dataset.box, e.getBoundingClientRect()])
      return rects.flatMap(([a, r], i) => rects.slice(0, i).filter(([, s]) => r.left < s.right && s.left < r.right && r.top < s.bottom && s.top < r.bottom).map(([b]) => `${a} and ${b}`))
    })
    check(overlaps.length === 0, overlaps.join(', '))
  }],
  ['an application opens', async () => {
    await box('app:payments-prod').locator('.opener').click()
    await page.getByRole('button', { name: /^Gateway.*role, priority critical/ }).waitFor()
    check(page.url().includes('expand=app%3Apayments-prod'), 'what is open belongs in the address')
    await shot('opened')
  }],
  ['a role opens to its workloads', async () => {
    await box('app:payments-prod').locator('.opener').focus()
    await page.getByRole('button', { name: 'Open Gateway' }).click()
    await box('node:payments-gateway-prod-004').waitFor()
  }],
  ['a link tells what is used', async () => {
    await page.goto(`${full}/map`)
    await page.locator('path.hit[data-link="app:climate-prod→app:point-of-sale-prod"]').dispatchEvent('click')
    await panel.getByText('SMB 445').waitFor()
    check((await panel.innerText()).includes('the TCP handshake'), 'the panel should say how the direction is known')
    await panel.getByText('SMB 445').click()
    await panel.getByText('Newest records').waitFor()
    await shot('link')
    await accessible('link panel')
  }],
  ['a workload is found, and what it can reach', async () => {
    await page.locator('.canvas').press('/')
    await page.keyboard.type('climate-controller-prod-003')
    await page.getByRole('option').first().waitFor()
    await page.keyboard.press('Enter')
    await panel.getByRole('heading', { name: 'climate-controller-prod-003' }).waitFor()
    await panel.getByText('What can it reach?').click()
    await panel.getByText('Ways to what matters most, today').waitFor()
    check((await panel.locator('.paths li').count()) > 0, 'a path to payment should be shown')
    await shot('reach')
    await accessible('reach')
  }],
  ['a path is shown on the map', async () => {
    await panel.locator('.path').nth(1).click()
    await page.locator('.link.trace').first().waitFor({ state: 'attached' })
    await shot('path')
  }],
  ['links are judged by a draft', async () => {
    await page.goto(`${full}/map`)
    await page.getByLabel('Try rules').selectOption('service')
    await page.locator('.link.blocked').first().waitFor({ state: 'attached' })
    check(/144 dependencies blocked/.test(await page.locator('.drawn').textContent()), 'what the draft blocks should be counted')
    await shot('judged')
    await accessible('judged map')
    await page.locator('path.hit[data-link="app:climate-prod→app:point-of-sale-prod"]').dispatchEvent('click')
    await panel.locator('.verdict.blocked').first().waitFor()
  }],
  ['boxes are shaded by blast radius and by readiness', async () => {
    await page.goto(`${full}/map?draft=service`)
    await page.getByLabel('Shade by').selectOption('reach')
    await page.locator('.box[class*="heat-"]').first().waitFor()
    check(/\d+ % → [\d.]+ % of the others/.test(await page.locator('.exposure').innerText()), 'the estate’s blast radius should be told')
    await shot('shaded-reach')
    await accessible('blast radius map')
    await page.getByLabel('Shade by').selectOption('readiness')
    await box('app:payments-prod').getByText('2.5 at risk').waitFor()
    await shot('shaded-readiness')
    await page.goBack()
    await page.locator('.exposure').waitFor()
    await page.goto(`${full}/map?draft=service`)
    await page.locator('path.hit[data-link="app:climate-prod→app:point-of-sale-prod"]').dispatchEvent('click')
    await panel.locator('.verdict.blocked').first().waitFor()
  }],
  ['an address brings back the same view', async () => {
    const before = await page.locator('.panel h2').innerText()
    await page.reload()
    await panel.waitFor()
    check((await page.locator('.panel h2').innerText()) === before, 'the selection should survive a reload')
  }],
  ['labels are accepted', async () => {
    await page.goto(`${full}/map?box=app%3Acustomers-prod`)
    await panel.getByRole('button', { name: 'Accept', exact: true }).first().click()
    await panel.getByText(/labels? accepted/).waitFor()
  }],
  ['an application is accepted under another name', async () => {
    await panel.getByRole('button', { name: 'Rename…' }).click()
    await panel.getByLabel('Name of the application').fill('Clients')
    const [sent] = await Promise.all([page.waitForRequest('**/api/v1/map/application'), panel.getByRole('button', { name: 'Accept under this name' }).click()])
    check(sent.postData() === '{"application":"customers-prod","pin":true,"name":"Clients"}', `sent ${sent.postData()}`)
  }],
  ['a workload has a past', async () => {
    await page.goto(`${full}/map?box=node%3Apayments-db-prod-001&focus=node%3Apayments-db-prod-001`)
    await panel.getByRole('heading', { name: 'Over time' }).waitFor()
    await panel.getByText('sshd.service').waitFor()
    await shot('workload')
    await accessible('workload panel')
  }],
  ['an address is claimed', async () => {
    await page.goto(`${full}/inventory?tab=unclaimed`)
    await page.getByRole('button', { name: 'Claim', exact: true }).first().click()
    await page.getByLabel('Name', { exact: true }).fill('printer')
    await page.getByLabel('Application').fill('office')
    const [sent] = await Promise.all([page.waitForRequest('**/api/v1/map/claim'), page.getByRole('button', { name: /^Claim 10/ }).click()])
    check(sent.postData() === '{"node":"office-desktop-prod-120","name":"printer","labels":{"app":"office","role":"desktop","env":"prod"}}', `sent ${sent.postData()}`)
    await page.getByText(/^10.* is claimed/).waitFor()
    await shot('claimed')
    await page.goto(`${full}/map?box=app%3Acustomers-prod`)
  }],
  ['only the neighbourhood, then everything', async () => {
    await panel.getByRole('button', { name: 'Neighbourhood' }).click()
    await page.waitForFunction(() => document.querySelectorAll('.box').length < 15)
    await page.getByRole('button', { name: /Neighbourhood only/ }).click()
    await box('app:office-prod').waitFor()
  }],
  ['infrastructure and grouping', async () => {
    await page.goto(`${full}/map`)
    const before = await page.locator('.link').count()
    await page.getByText('Infrastructure links').click()
    await page.waitForFunction((n) => document.querySelectorAll('.link').length > n, before)
    await page.getByLabel('Group by').selectOption('env')
    await box('group:env=staging').waitFor()
    await shot('by-environment')
  }],
  ['the matrix', async () => {
    await page.goto(`${full}/map`)
    await page.getByText('Matrix').click()
    const matrix = page.getByRole('img', { name: /Matrix of \d+ groups/ })
    await matrix.focus()
    for (const key of ['ArrowDown', 'ArrowRight', 'Enter']) await page.keyboard.press(key)
    await panel.getByText('Workload to workload').waitFor()
    await shot('matrix')
    await accessible('matrix')
  }],
  ['the keyboard is enough', async () => {
    await page.goto(`${full}/map`)
    await face('app:webshop-prod').focus()
    await page.keyboard.press('Enter')
    await panel.getByRole('heading', { name: 'Webshop' }).waitFor()
    await face('app:webshop-prod').focus()
    await page.keyboard.press('Space')
    await page.getByRole('button', { name: 'Close Webshop' }).waitFor()
    const before = await page.locator('.board').getAttribute('style')
    await page.keyboard.press('+')
    await page.waitForFunction((s) => document.querySelector('.board').getAttribute('style') !== s, before)
  }],
  ['what is new since a month', async () => {
    await page.goto(`${full}/news?newSince=30d`)
    await page.getByRole('heading', { name: 'New kinds of access' }).waitFor()
    await page.getByText('The record begins').waitFor()
    await shot('news')
    await accessible('news')
    await page.getByRole('link', { name: 'SMB 445' }).first().click()
    await panel.getByText('Workload to workload').waitFor()
    check(page.url().includes('newSince='), 'what is new should stay marked on the map')
  }],
  ['the inventory, filtered', async () => {
    await page.getByRole('link', { name: 'Inventory' }).click()
    await page.getByRole('link', { name: 'payments-hsm-prod-001' }).waitFor()
    await page.getByLabel('Filter by name').fill('hsm')
    await page.keyboard.press('Enter')
    await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 2)
    await shot('inventory')
    await accessible('inventory')
  }],
  ['an import is refused whole, or shown and then applied', async () => {
    await page.goto(`${full}/inventory?tab=import`)
    const file = page.locator('input[type=file]')
    await file.setInputFiles({ name: 'new.csv', mimeType: 'text/csv', buffer: Buffer.from('mail01,10.9.0.1\nbad\nbad too') })
    await page.getByText('nothing has changed').waitFor()
    check((await page.locator('.refused li').allTextContents()).join() === 'new.csv:2: want a name and an address,new.csv:3: want a name and an address', 'every mistake should be listed')
    await shot('import-refused')
    await file.setInputFiles({ name: 'new.csv', mimeType: 'text/csv', buffer: Buffer.from('mail01,10.9.0.1') })
    await page.locator('.diff .comes', { hasText: 'mail01 10.9.0.1' }).waitFor()
    await shot('import')
    await accessible('import')
    await page.getByRole('button', { name: /^Apply/ }).click()
    await page.getByText('imported as version 2').waitFor()
  }],
  ['documents have a history and a way back', async () => {
    await page.evaluate(async () => {
      for (const [version, body] of [[0, 'first'], [1, 'second']]) {
        await fetch('/api/v1/documents/inventory/estate', { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ version, body, reason: `the ${body}` }) })
      }
    })
    await page.goto(`${full}/inventory?tab=history`)
    await page.getByRole('button', { name: /the first/ }).click()
    await page.getByText('The first version.').waitFor()
    await page.getByRole('button', { name: 'Restore…' }).click()
    await page.locator('.diff .comes', { hasText: 'first' }).waitFor()
    await shot('history')
    await accessible('history')
    await page.getByRole('button', { name: 'Yes, restore version 1' }).click()
    await page.getByRole('button', { name: /^3 ?restored/ }).waitFor()
  }],
  ['labels are reviewed label by label', async () => {
    await page.getByRole('link', { name: 'Labels' }).click()
    await page.getByText('60 workloads').first().waitFor()
    await shot('labels')
    await accessible('labels')
    await page.getByRole('button', { name: 'Accept all' }).first().click()
    await page.getByText(/60 labels accepted/).waitFor()
  }],
  ['what to look at, and what is shared', async () => {
    await page.getByRole('tab', { name: 'To look at' }).click()
    await page.getByText('old-fileserver').waitFor()
    await accessible('hygiene')
    await page.keyboard.press('ArrowRight')
    await page.getByRole('link', { name: 'dns-001' }).waitFor()
    await shot('infrastructure')
    await accessible('infrastructure')
    await page.getByLabel('What dns-001 is').selectOption('directory')
    await page.getByRole('row', { name: /dns-001/ }).getByRole('button', { name: 'Accepted' }).waitFor()
    await page.getByRole('row', { name: /dns-002/ }).getByRole('button', { name: 'Not shared' }).click()
    await page.getByRole('heading', { name: /Not shared, you said/ }).waitFor()
    await page.goBack()
    await page.getByText('old-fileserver').waitFor()
  }],
  ['rules with their evidence', async () => {
    await page.getByRole('link', { name: 'Rules' }).click()
    await page.getByRole('heading', { name: 'payments-prod' }).click()
    await page.locator('.sentence:visible').first().click()
    await page.getByText('Examples, busiest first').waitFor()
    await shot('rules')
    await accessible('rules')
    await page.getByText('Ringfence').click()
    await page.waitForURL(/level=ringfence/)
  }],
  ['rules build on what was saved', async () => {
    await page.getByText('Build on saved policies').click()
    await page.getByText('No policy is saved yet').waitFor()
    await accessible('rules with a base')
    await page.getByText('Build on saved policies').click()
  }],
  ['one level tighter, and readiness', async () => {
    await page.getByRole('tab', { name: 'One level tighter' }).click()
    await page.getByRole('heading', { name: 'From ringfence to tier' }).waitFor()
    await page.getByRole('tab', { name: 'Readiness' }).click()
    await page.getByText('Enforcing today risks about 3').waitFor()
    await page.getByText('probably monthly').waitFor()
    await shot('readiness')
    await accessible('readiness')
  }],
  ['a decision is taken', async () => {
    await page.getByRole('tab', { name: /For decision/ }).click()
    await page.getByRole('button', { name: 'Deny' }).first().click()
    await page.locator('button.deny[aria-pressed="true"]').first().waitFor()
    await shot('decisions')
    await accessible('decisions')
  }],
  ['an export is previewed', async () => {
    await page.getByRole('button', { name: 'Export…' }).click()
    await page.getByRole('button', { name: 'Spreadsheet (CSV)' }).click()
    await page.locator('dialog pre').waitFor()
    check((await page.locator('dialog .losses').innerText()).includes('process matches are left out'), 'losses should be named')
    await shot('export')
    await accessible('export')
    await page.getByRole('button', { name: 'Close' }).click()
  }],
  ['the simulation, four ways', async () => {
    await page.getByRole('link', { name: 'Simulation' }).click()
    await page.getByRole('tab', { name: /Would break/ }).waitFor()
    await page.getByRole('tab', { name: /Allowed and seen/ }).click()
    await page.getByRole('cell', { name: 'tcp/9000', exact: true }).first().waitFor()
    await page.getByRole('tab', { name: /Would break/ }).click()
    await page.getByRole('link', { name: 'Decide' }).waitFor()
    await page.getByRole('tab', { name: /Allowed and seen/ }).click()
    await shot('simulation')
    await accessible('simulation')
  }],
  ['a row leads down to its flows', async () => {
    await page.getByRole('link', { name: 'tcp/9000' }).first().click()
    await panel.getByText('Workload to workload').waitFor()
    await panel.getByText('ClickHouse 9000').click()
    await panel.getByText('Newest records').waitFor()
    await page.getByRole('link', { name: 'Simulation' }).click()
    await page.getByRole('tab', { name: /Would break/ }).waitFor()
  }],
  ['a policy of one’s own, wrong and then right', async () => {
    await page.getByText('Try a policy of your own').click()
    const yaml = page.getByLabel('Policy in YAML')
    await yaml.fill('kind: Nonsense')
    await page.getByRole('button', { name: 'Replay' }).click()
    await page.getByRole('alert').waitFor()
    await yaml.fill('apiVersion: bulkhead/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  scope: {app: payments, env: prod}\n  stage: monitor\n  rules:\n  - name: r\n    from: [{app: webshop}]\n    to: [{app: payments}]\n    services: [tcp/8443]\n')
    await page.getByRole('button', { name: 'Replay' }).click()
    await page.getByText('Back to the recommendation').waitFor()
  }],
  ['violations are listed and filtered', async () => {
    await page.getByRole('link', { name: 'Violations' }).click()
    await page.getByRole('link', { name: 'climate-controller-prod-001' }).first().waitFor()
    await shot('violations')
    await accessible('violations')
    await page.getByText('Blocked only').click()
    await page.getByText('Nothing was blocked').waitFor()
  }],
  ['violations lead back to rules', async () => {
    await page.goto(`${full}/violations?tab=proposals`)
    await page.getByRole('heading', { name: 'Seen in monitor, missed in discovery' }).waitFor()
    await page.getByText('controller tries SSH').waitFor()
    await page.locator('.proposed-rules .sentence').click()
    await page.getByText('Examples, busiest first').waitFor()
    await shot('proposals')
    await accessible('violation proposals')
    await page.getByRole('button', { name: 'Accept' }).first().click()
    await page.getByText('Saved in point-of-sale-prod').waitFor()
  }],
  ['a change, its steps and its watch', async () => {
    await page.getByRole('link', { name: 'Changes' }).click()
    await page.getByRole('button', { name: /point of sale is closed/ }).click()
    await page.getByText('can no longer reach').waitFor()
    await page.getByRole('cell', { name: 'climate-controller-prod-060' }).first().waitFor()
    await page.getByText('waits to be confirmed').waitFor()
    await shot('change')
    await accessible('change')
    check(page.url().includes('id=20261101-pos'), 'the opened change belongs in the address')
    await page.goBack()
    await page.waitForFunction(() => document.querySelector('.change-body') === null)
  }],
  ['hosts, and a change that waits on one', async () => {
    await page.getByRole('link', { name: 'Hosts' }).click()
    await page.getByText('1 of 3 hosts hold what they should').waitFor()
    check((await page.locator('tbody tr').first().innerText()).startsWith('store-gw-2'), 'what waits for a person should come first')
    await shot('hosts')
    await accessible('hosts')
    await Promise.all([page.waitForResponse((r) => r.url().endsWith('/hosts/store-gw-2/confirm') && r.ok()), page.getByRole('button', { name: 'Confirm' }).click()])
  }],
  ['the status', async () => {
    await page.getByRole('link', { name: 'Status' }).click()
    await page.getByText('no-template').waitFor()
    await shot('status')
    await accessible('status')
  }],
  ['dark colours', async () => {
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.goto(`${full}/map?box=app%3Apayments-prod`)
    await panel.getByRole('heading', { name: 'Payments' }).waitFor()
    await shot('dark')
    await accessible('dark map')
    await page.goto(`${full}/rules`)
    await page.getByRole('heading', { name: 'payments-prod' }).waitFor()
    await accessible('dark rules')
    await page.emulateMedia({ colorScheme: 'light' })
  }],
  ['without traffic every page says what to do', async () => {
    await page.goto(`${empty}/map`)
    await page.getByText('bulkhead import').waitFor()
    await shot('empty')
    await page.goto(`${empty}/rules`)
    await page.getByText('No rules yet').waitFor()
    await page.goto(`${empty}/news`)
    await page.getByText('Nothing is new').waitFor()
    await page.goto(`${empty}/hosts`)
    await page.getByText('bulkhead join-token create').waitFor()
    await page.goto(`${empty}/changes`)
    await page.getByText('bulkhead change plan').waitFor()
    await page.goto(`${empty}/inventory`)
    await page.getByText('No inventory yet').waitFor()
  }],
  ['failures are explained and can be retried', async () => {
    for (const name of ['map', 'news', 'inventory', 'labels', 'rules', 'simulation', 'changes', 'violations', 'hosts', 'status']) {
      await page.goto(`${broken}/${name}`)
      await page.getByText('the store is away').first().waitFor()
      await page.getByRole('button', { name: 'Try again' }).first().waitFor()
    }
    await shot('failed-store')
  }],
  ['names from the wire are only text', async () => {
    await page.goto(`${full}/map?expand=app%3Ainventory-prod&box=app%3Ainventory-prod`)
    await panel.getByText('onerror').first().waitFor()
    check(await page.evaluate(() => window.hacked === undefined), 'a name ran as script')
  }],
  ['nothing complained', async () => check(complaints.length === 0, complaints.join('\n'))],
])
await browser.close()
