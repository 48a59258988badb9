import { chromium } from 'playwright-core'
const [,, out, path, w='1440', h='900', ...acts] = process.argv
const b = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox','--disable-gpu','--disable-quic','--no-first-run','--disable-background-networking','--disable-component-update','--disable-sync'] })
const p = await b.newPage({ viewport: { width: +w, height: +h }, colorScheme: process.env.DARK ? 'dark':'light' })
p.on('console', m => { if (m.type()==='error'||m.type()==='warning') console.log('console', m.text()) }); p.on('pageerror', e => console.log('pageerror', e.message))
await p.goto((process.env.BASE??'http://127.0.0.1:8090') + path); await p.waitForTimeout(900)
for (const a of acts) { const [k, ...r] = a.split('='); const v = r.join('=')
 if (k==='click') await p.click(v, {timeout:5000}); if (k==='dbl') await p.dblclick(v,{timeout:5000}); if (k==='hover') await p.hover(v); if (k==='wait') await p.waitForTimeout(+v); if(k==='key') await p.keyboard.press(v); if(k==='type') await p.keyboard.type(v); if(k==='eval') console.log(JSON.stringify(await p.evaluate(v)))
 await p.waitForTimeout(500) }
await p.screenshot({ path: out }); await b.close()
