# Terraform for Google VPC firewall rules of a Bulkhead policy set
# policy set 066a7db36b2f088fd9023b9aee7be768344d71fa7d5ae56759337398c7aa95a4
# made 2026-11-22T08:00:00Z
# always allowed besides what is below: established: replies to and packets of connections that were allowed, and the errors related to them
# LOSS shop-prod/partners-to-web: names are not addresses, so *.partner.example is left out: narrower than the policy
# LOSS shop-prod/web-agent: only an agent can see the process "agent.service"; the rule is left out
# LOSS shop-prod/web-to-db: outbound rules name servers by address as of this snapshot
# LOSS shop-prod/admin: Google knows ICMP without types; icmp/echo-request is left out
# LOSS shop-prod/db-to-feed: names are not addresses, so feed.example is left out: narrower than the policy
# LOSS shop-prod/no-telnet: outbound rules name servers by address as of this snapshot
# LOSS Google firewall rules hold one IP version: this file is for IPv4
# member db1 10.0.2.1 [role=db app=shop env=prod]
# member web1 10.0.1.1,fd00::1:1 [role=web app=shop env=prod]
# member web2 10.0.1.2 [role=web app=shop env=prod]
#
# bh-shop-prod-web (app=shop env=prod role=web): web1 web2
# bh-shop-prod-db (app=shop env=prod role=db): db1
# bh-shop-prod (app=shop env=prod): db1 web1 web2

variable "network" {
  type = string
}

resource "google_compute_firewall" "shop-prod-partners-to-web-in-0-0" {
  name = "shop-prod-partners-to-web-in-0-0"
  network = var.network
  direction = "INGRESS"
  priority = 1000
  target_tags = ["bh-shop-prod-web"]
  source_ranges = ["192.0.2.0/25"]
  allow {
    protocol = "tcp"
    ports    = ["443"]
  }
  allow {
    protocol = "udp"
    ports    = ["443"]
  }
}

resource "google_compute_firewall" "shop-prod-web-to-db-in-1-0" {
  name = "shop-prod-web-to-db-in-1-0"
  network = var.network
  direction = "INGRESS"
  priority = 1000
  target_tags = ["bh-shop-prod-db"]
  source_tags = ["bh-shop-prod-web"]
  allow {
    protocol = "tcp"
    ports    = ["5432"]
  }
}

resource "google_compute_firewall" "shop-prod-web-to-db-out-2-0" {
  name = "shop-prod-web-to-db-out-2-0"
  network = var.network
  direction = "EGRESS"
  priority = 1000
  target_tags = ["bh-shop-prod-web"]
  destination_ranges = ["10.0.2.1/32"]
  allow {
    protocol = "tcp"
    ports    = ["5432"]
  }
}

resource "google_compute_firewall" "shop-prod-admin-in-3-0" {
  name = "shop-prod-admin-in-3-0"
  network = var.network
  direction = "INGRESS"
  priority = 1000
  target_tags = ["bh-shop-prod"]
  source_ranges = ["10.9.0.5/32"]
  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

resource "google_compute_firewall" "shop-prod-no-telnet-in-5-0" {
  name = "shop-prod-no-telnet-in-5-0"
  network = var.network
  direction = "INGRESS"
  priority = 200
  target_tags = ["bh-shop-prod"]
  source_ranges = ["0.0.0.0/0"]
  deny {
    protocol = "tcp"
    ports    = ["23"]
  }
}

resource "google_compute_firewall" "shop-prod-no-telnet-out-6-0" {
  name = "shop-prod-no-telnet-out-6-0"
  network = var.network
  direction = "EGRESS"
  priority = 200
  target_tags = ["bh-shop-prod"]
  destination_ranges = ["10.0.1.1/32", "10.0.1.2/32", "10.0.2.1/32"]
  deny {
    protocol = "tcp"
    ports    = ["23"]
  }
}

resource "google_compute_firewall" "shop-prod-break-glass" {
  name = "shop-prod-break-glass"
  network = var.network
  direction = "INGRESS"
  priority = 110
  target_tags = ["bh-shop-prod"]
  source_ranges = ["10.255.0.0/28"]
  allow { protocol = "all" }
}

resource "google_compute_firewall" "shop-prod-inbound" {
  name = "shop-prod-inbound"
  network = var.network
  direction = "INGRESS"
  priority = 4000
  target_tags = ["bh-shop-prod"]
  source_ranges = ["0.0.0.0/0"]
  deny { protocol = "all" }
}

resource "google_compute_firewall" "shop-prod-outbound" {
  name = "shop-prod-outbound"
  network = var.network
  direction = "EGRESS"
  priority = 4000
  target_tags = ["bh-shop-prod"]
  destination_ranges = ["0.0.0.0/0"]
  deny { protocol = "all" }
}


reported loss: shop-prod/partners-to-web: names are not addresses, so *.partner.example is left out: narrower than the policy
reported loss: shop-prod/web-agent: only an agent can see the process "agent.service"; the rule is left out
reported loss: shop-prod/web-to-db: outbound rules name servers by address as of this snapshot
reported loss: shop-prod/admin: Google knows ICMP without types; icmp/echo-request is left out
reported loss: shop-prod/db-to-feed: names are not addresses, so feed.example is left out: narrower than the policy
reported loss: shop-prod/no-telnet: outbound rules name servers by address as of this snapshot
reported loss: Google firewall rules hold one IP version: this file is for IPv4