# The bakery's web shop, as a text. Edit it, save it, and run a plan in the lesson.

terraform {
  required_providers {
    lab = { source = "moonlight.example/bakery/lab" }
  }
}

variable "servers" {
  description = "How many web servers the shop has."
  type        = number
  default     = 2

  validation {
    condition     = var.servers >= 1 && var.servers <= 8
    error_message = "servers must be 1 to 8: this computer has no room for more."
  }
}

variable "release" {
  description = "The version of the shop that every server runs."
  type        = string
  default     = "1.0"
}

variable "prefix" {
  description = "What every name begins with, so that a trial can stand beside the shop."
  type        = string
  default     = ""
}

# Servers: as many as are wanted, all alike.
resource "lab_server" "web" {
  count   = var.servers
  name    = "${var.prefix}web-${count.index + 1}"
  version = var.release
  workers = 1
}

# Network: the one address that customers know, and the servers behind it.
resource "lab_balancer" "front" {
  name    = "${var.prefix}front"
  servers = lab_server.web[*].url
}

# User: who may do what.
resource "lab_user" "hana" {
  name = "${var.prefix}hana"
  role = "on-duty"
}

# Service: what the shop's service is told. It has to know the address.
resource "lab_config" "shop" {
  name    = "${var.prefix}shop.conf"
  content = "address = ${lab_balancer.front.url}\nopens = 07:00\n"
}

output "address" {
  value = lab_balancer.front.url
}
