import { describe, expect, it } from 'vitest'
import { bytes, count, many, middle, percent, service, shortService, time, title } from './words'

describe('count', () => {
  it.each([
    [0, '0'],
    [950, '950'],
    [9800, '9\u202f800'],
    [12400, '12\u202f400'],
    [412_000, '412 k'],
    [3_100_000, '3.1 M'],
    [412_345_678, '412 M'],
  ])('%d', (n, want) => expect(count(n)).toBe(want))
})

describe('percent never rounds a gap away', () => {
  it.each([
    [1, 1, '100 %'],
    [99_999, 100_000, '99.9 %'],
    [1, 100_000, '0.1 %'],
    [0, 10, '0.0 %'],
    [1, 0, '–'],
  ])('%d of %d', (part, whole, want) => expect(percent(part, whole)).toBe(want))
})

it('says sizes, times and plurals', () => {
  expect(bytes(14_200_000)).toBe('14.2 MB')
  expect(bytes(12)).toBe('12 B')
  expect(time('2026-11-22T07:15:01Z')).toBe('2026-11-22 07:15')
  expect(time('')).toBe('–')
  expect(many(1, 'workload')).toBe('1 workload')
  expect(many(2, 'policy', 'policies')).toBe('2 policies')
})

it('names services without hiding the port', () => {
  expect(service('tcp/5432')).toBe('PostgreSQL 5432')
  expect(service('tcp/31337')).toBe('tcp/31337')
  expect(shortService('udp/53')).toBe('DNS')
})

it('makes titles of labels only', () => {
  expect(title('point-of-sale')).toBe('Point of sale')
  expect(title('db01.corp.example')).toBe('Db01.corp.example')
  expect(title('names outside')).toBe('Names outside')
})

it('writes abbreviations as people do', () => {
  expect(title('hr')).toBe('HR')
  expect(title('vendor-vpn')).toBe('Vendor VPN')
  expect(title('crm_saas')).toBe('CRM SaaS')
  expect(title('Store hr')).toBe('Store hr') // somebody chose this spelling
})

it('shortens names in the middle', () => {
  expect(middle('db-1', 16)).toBe('db-1')
  expect(middle('climate-controller-prod-003', 16)).toBe('climat…-prod-003')
  expect(middle('climate-controller-prod-003', 16)).toHaveLength(16)
})
