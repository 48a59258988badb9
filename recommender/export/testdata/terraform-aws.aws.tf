# Terraform for AWS security groups of a Bulkhead policy set
# policy set 066a7db36b2f088fd9023b9aee7be768344d71fa7d5ae56759337398c7aa95a4
# made 2026-11-22T08:00:00Z
# always allowed besides what is below: established: replies to and packets of connections that were allowed, and the errors related to them
# LOSS shop-prod/partners-to-web: names are not addresses, so *.partner.example is left out: narrower than the policy
# LOSS shop-prod/web-agent: only an agent can see the process "agent.service"; the rule is left out
# LOSS shop-prod/db-to-feed: names are not addresses, so feed.example is left out: narrower than the policy
# member db1 10.0.2.1 [role=db app=shop env=prod]
# member web1 10.0.1.1,fd00::1:1 [role=web app=shop env=prod]
# member web2 10.0.1.2 [role=web app=shop env=prod]
#
# bh-shop-prod (app=shop env=prod): db1 web1 web2
# bh-shop-prod-web (app=shop env=prod role=web): web1 web2
# bh-shop-prod-db (app=shop env=prod role=db): db1

variable "vpc_id" {
  type = string
}

resource "aws_vpc_security_group_ingress_rule" "shop-prod-break-glass-10-255-0-0-28-9e1035c6" {
  security_group_id = aws_security_group.bh-shop-prod.id
  ip_protocol = "-1"
  cidr_ipv4 = "10.255.0.0/28"
  description = "break-glass"
}

resource "aws_vpc_security_group_ingress_rule" "shop-prod-partners-to-web-in-0-0" {
  security_group_id = aws_security_group.bh-shop-prod-web.id
  ip_protocol = "tcp"
  from_port = 443
  to_port = 443
  cidr_ipv4 = "192.0.2.0/25"
  description = "shop-prod/partners-to-web"
}

resource "aws_vpc_security_group_ingress_rule" "shop-prod-partners-to-web-in-0-1" {
  security_group_id = aws_security_group.bh-shop-prod-web.id
  ip_protocol = "udp"
  from_port = 443
  to_port = 443
  cidr_ipv4 = "192.0.2.0/25"
  description = "shop-prod/partners-to-web"
}

resource "aws_vpc_security_group_ingress_rule" "shop-prod-partners-to-web-in-0-2" {
  security_group_id = aws_security_group.bh-shop-prod-web.id
  ip_protocol = "tcp"
  from_port = 443
  to_port = 443
  cidr_ipv6 = "2001:db8:7::/48"
  description = "shop-prod/partners-to-web"
}

resource "aws_vpc_security_group_ingress_rule" "shop-prod-partners-to-web-in-0-3" {
  security_group_id = aws_security_group.bh-shop-prod-web.id
  ip_protocol = "udp"
  from_port = 443
  to_port = 443
  cidr_ipv6 = "2001:db8:7::/48"
  description = "shop-prod/partners-to-web"
}

resource "aws_vpc_security_group_ingress_rule" "shop-prod-web-to-db-in-1-0" {
  security_group_id = aws_security_group.bh-shop-prod-db.id
  ip_protocol = "tcp"
  from_port = 5432
  to_port = 5432
  referenced_security_group_id = aws_security_group.bh-shop-prod-web.id
  description = "shop-prod/web-to-db"
}

resource "aws_vpc_security_group_egress_rule" "shop-prod-web-to-db-out-2-0" {
  security_group_id = aws_security_group.bh-shop-prod-web.id
  ip_protocol = "tcp"
  from_port = 5432
  to_port = 5432
  referenced_security_group_id = aws_security_group.bh-shop-prod-db.id
  description = "shop-prod/web-to-db"
}

resource "aws_vpc_security_group_ingress_rule" "shop-prod-admin-in-3-0" {
  security_group_id = aws_security_group.bh-shop-prod.id
  ip_protocol = "icmp"
  from_port = 8
  to_port = -1
  cidr_ipv4 = "10.9.0.5/32"
  description = "shop-prod/admin"
}

resource "aws_vpc_security_group_ingress_rule" "shop-prod-admin-in-3-1" {
  security_group_id = aws_security_group.bh-shop-prod.id
  ip_protocol = "tcp"
  from_port = 22
  to_port = 22
  cidr_ipv4 = "10.9.0.5/32"
  description = "shop-prod/admin"
}

resource "aws_vpc_security_group_ingress_rule" "shop-prod-admin-in-3-2" {
  security_group_id = aws_security_group.bh-shop-prod.id
  ip_protocol = "icmpv6"
  from_port = 128
  to_port = -1
  cidr_ipv4 = "10.9.0.5/32"
  description = "shop-prod/admin"
}

resource "aws_security_group" "bh-shop-prod" {
  name = "bh-shop-prod"
  description = "workloads app=shop env=prod"
  vpc_id = var.vpc_id
}

resource "aws_security_group" "bh-shop-prod-web" {
  name = "bh-shop-prod-web"
  description = "workloads app=shop env=prod role=web"
  vpc_id = var.vpc_id
}

resource "aws_security_group" "bh-shop-prod-db" {
  name = "bh-shop-prod-db"
  description = "workloads app=shop env=prod role=db"
  vpc_id = var.vpc_id
}


reported loss: shop-prod/partners-to-web: names are not addresses, so *.partner.example is left out: narrower than the policy
reported loss: shop-prod/web-agent: only an agent can see the process "agent.service"; the rule is left out
reported loss: shop-prod/db-to-feed: names are not addresses, so feed.example is left out: narrower than the policy