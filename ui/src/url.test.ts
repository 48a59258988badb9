import { describe, expect, it } from 'vitest'
import { changed, parseAddress } from './url'

describe('parseAddress', () => {
  it.each([
    ['/', '', 'map'],
    ['/map', '?infra=show', 'map'],
    ['/rules/', '', 'rules'],
    ['/nonsense', '', 'map'],
  ])('%s%s', (path, search, page) => expect(parseAddress(path, search).page).toBe(page))
})

describe('changed', () => {
  const at = parseAddress('/map', '?expand=app:a&expand=app:b&infra=show')
  it('adds and keeps', () => expect(changed(at, { box: 'app:a' })).toBe('/map?expand=app%3Aa&expand=app%3Ab&infra=show&box=app%3Aa'))
  it('removes', () => expect(changed(at, { expand: undefined, infra: '' })).toBe('/map'))
  it('repeats lists', () => expect(changed(at, { expand: ['x', 'y'], infra: undefined })).toBe('/map?expand=x&expand=y'))
  it('survives a round trip of hostile text', () => {
    const to = changed(at, { box: 'node:"><script>&x=#?' })
    expect(parseAddress('/map', to.slice(to.indexOf('?'))).query.get('box')).toBe('node:"><script>&x=#?')
  })
})
