# Terraform for an Azure network security group of a Bulkhead policy set
# policy set 066a7db36b2f088fd9023b9aee7be768344d71fa7d5ae56759337398c7aa95a4
# made 2026-11-22T08:00:00Z
# always allowed besides what is below: established: replies to and packets of connections that were allowed, and the errors related to them
# LOSS shop-prod/partners-to-web: names are not addresses, so *.partner.example is left out: narrower than the policy
# LOSS shop-prod/web-agent: only an agent can see the process "agent.service"; the rule is left out
# LOSS shop-prod/admin: Azure knows TCP, UDP and ICMP without types; icmp/echo-request is left out
# LOSS shop-prod/admin: Azure knows TCP, UDP and ICMP without types; icmpv6/echo-request is left out
# LOSS shop-prod/db-to-feed: names are not addresses, so feed.example is left out: narrower than the policy
# member db1 10.0.2.1 [role=db app=shop env=prod]
# member web1 10.0.1.1,fd00::1:1 [role=web app=shop env=prod]
# member web2 10.0.1.2 [role=web app=shop env=prod]
#
# bh-shop-prod-web (app=shop env=prod role=web): web1 web2
# bh-shop-prod-db (app=shop env=prod role=db): db1
# bh-shop-prod (app=shop env=prod): db1 web1 web2

variable "resource_group_name" {
  type = string
}

variable "location" {
  type = string
}

resource "azurerm_network_security_group" "bulkhead" {
  name = "bulkhead"
  resource_group_name = var.resource_group_name
  location = var.location
}

resource "azurerm_network_security_rule" "shop-prod-partners-to-web-in-0-0" {
  name = "shop-prod-partners-to-web-in-0-0"
  priority = 1000
  direction = "Inbound"
  access = "Allow"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "Tcp"
  destination_port_ranges = ["443"]
  destination_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod-web.id]
  source_address_prefixes = ["192.0.2.0/25", "2001:db8:7::/48"]
}

resource "azurerm_network_security_rule" "shop-prod-partners-to-web-in-0-1" {
  name = "shop-prod-partners-to-web-in-0-1"
  priority = 1001
  direction = "Inbound"
  access = "Allow"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "Udp"
  destination_port_ranges = ["443"]
  destination_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod-web.id]
  source_address_prefixes = ["192.0.2.0/25", "2001:db8:7::/48"]
}

resource "azurerm_network_security_rule" "shop-prod-web-to-db-in-1-0" {
  name = "shop-prod-web-to-db-in-1-0"
  priority = 1002
  direction = "Inbound"
  access = "Allow"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "Tcp"
  destination_port_ranges = ["5432"]
  destination_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod-db.id]
  source_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod-web.id]
}

resource "azurerm_network_security_rule" "shop-prod-web-to-db-out-2-0" {
  name = "shop-prod-web-to-db-out-2-0"
  priority = 1000
  direction = "Outbound"
  access = "Allow"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "Tcp"
  destination_port_ranges = ["5432"]
  source_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod-web.id]
  destination_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod-db.id]
}

resource "azurerm_network_security_rule" "shop-prod-admin-in-3-0" {
  name = "shop-prod-admin-in-3-0"
  priority = 1003
  direction = "Inbound"
  access = "Allow"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "Tcp"
  destination_port_ranges = ["22"]
  destination_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod.id]
  source_address_prefixes = ["10.9.0.5/32"]
}

resource "azurerm_network_security_rule" "shop-prod-no-telnet-in-5-0" {
  name = "shop-prod-no-telnet-in-5-0"
  priority = 200
  direction = "Inbound"
  access = "Deny"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "Tcp"
  destination_port_ranges = ["23"]
  destination_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod.id]
  source_address_prefix = "*"
}

resource "azurerm_network_security_rule" "shop-prod-no-telnet-out-6-0" {
  name = "shop-prod-no-telnet-out-6-0"
  priority = 200
  direction = "Outbound"
  access = "Deny"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "Tcp"
  destination_port_ranges = ["23"]
  source_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod.id]
  destination_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod.id]
}

resource "azurerm_network_security_rule" "shop-prod-break-glass-0" {
  name = "shop-prod-break-glass-0"
  priority = 110
  direction = "Inbound"
  access = "Allow"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "*"
  destination_port_range = "*"
  source_address_prefix = "10.255.0.0/28"
  destination_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod.id]
}

resource "azurerm_network_security_rule" "shop-prod-default-inbound" {
  name = "shop-prod-default-inbound"
  priority = 4000
  direction = "Inbound"
  access = "Deny"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "*"
  destination_port_range = "*"
  source_address_prefix = "*"
  destination_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod.id]
}

resource "azurerm_network_security_rule" "shop-prod-default-outbound" {
  name = "shop-prod-default-outbound"
  priority = 4000
  direction = "Outbound"
  access = "Deny"
  resource_group_name = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.bulkhead.name
  source_port_range = "*"
  protocol = "*"
  destination_port_range = "*"
  destination_address_prefix = "*"
  source_application_security_group_ids = [azurerm_application_security_group.bh-shop-prod.id]
}

resource "azurerm_application_security_group" "bh-shop-prod-web" {
  name = "bh-shop-prod-web"
  resource_group_name = var.resource_group_name
  location = var.location
}

resource "azurerm_application_security_group" "bh-shop-prod-db" {
  name = "bh-shop-prod-db"
  resource_group_name = var.resource_group_name
  location = var.location
}

resource "azurerm_application_security_group" "bh-shop-prod" {
  name = "bh-shop-prod"
  resource_group_name = var.resource_group_name
  location = var.location
}


reported loss: shop-prod/partners-to-web: names are not addresses, so *.partner.example is left out: narrower than the policy
reported loss: shop-prod/web-agent: only an agent can see the process "agent.service"; the rule is left out
reported loss: shop-prod/admin: Azure knows TCP, UDP and ICMP without types; icmp/echo-request is left out
reported loss: shop-prod/admin: Azure knows TCP, UDP and ICMP without types; icmpv6/echo-request is left out
reported loss: shop-prod/db-to-feed: names are not addresses, so feed.example is left out: narrower than the policy