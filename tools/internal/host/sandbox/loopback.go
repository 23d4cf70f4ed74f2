package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// loopback brings lo up, gives it the addresses and leads the default route
// through it.
func loopback(ipv6 bool) error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}); err != nil {
		return err
	}
	index := int32(lo.Index)
	up := unix.IfInfomsg{Family: unix.AF_UNSPEC, Index: index, Flags: unix.IFF_UP, Change: unix.IFF_UP}
	if err := ask(fd, unix.RTM_NEWLINK, 0, up); err != nil {
		return fmt.Errorf("up: %w", err)
	}
	addresses := []netip.Addr{netip.MustParseAddr(Address)}
	if ipv6 {
		addresses = append(addresses, netip.MustParseAddr(Address6))
	}
	for _, address := range addresses {
		if err := assign(fd, index, address); err != nil {
			return fmt.Errorf("%s: %w", address, err)
		}
	}
	return nil
}

func assign(fd int, index int32, address netip.Addr) error {
	family := uint8(unix.AF_INET)
	if address.Is6() {
		family = unix.AF_INET6
	}
	raw := address.AsSlice()
	err := ask(fd, unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL,
		unix.IfAddrmsg{Family: family, Prefixlen: uint8(address.BitLen()), Flags: unix.IFA_F_NODAD, Index: uint32(index)},
		attribute{unix.IFA_LOCAL, raw}, attribute{unix.IFA_ADDRESS, raw})
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	err = ask(fd, unix.RTM_NEWROUTE, unix.NLM_F_CREATE,
		unix.RtMsg{Family: family, Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_BOOT, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST},
		attribute{unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(index))})
	if err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	return nil
}

type attribute struct {
	kind  uint16
	value []byte
}

// ask sends one request to the kernel and returns what it answers.
func ask(fd int, kind, flags uint16, header any, attributes ...attribute) error {
	var body bytes.Buffer
	if err := binary.Write(&body, binary.NativeEndian, header); err != nil {
		return err
	}
	for _, a := range attributes {
		head := []uint16{uint16(unix.SizeofRtAttr + len(a.value)), a.kind}
		if err := binary.Write(&body, binary.NativeEndian, head); err != nil {
			return err
		}
		body.Write(a.value)
		body.Write(make([]byte, -len(a.value)&(unix.RTA_ALIGNTO-1)))
	}
	var message bytes.Buffer
	err := binary.Write(&message, binary.NativeEndian, unix.NlMsghdr{
		Len: uint32(unix.SizeofNlMsghdr + body.Len()), Type: kind, Flags: flags | unix.NLM_F_REQUEST | unix.NLM_F_ACK,
	})
	if err != nil {
		return err
	}
	message.Write(body.Bytes())
	if err := unix.Sendto(fd, message.Bytes(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	return answer(fd)
}

func answer(fd int) error {
	buf := make([]byte, 8<<10)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return err
	}
	messages, err := syscall.ParseNetlinkMessage(buf[:n])
	if err != nil {
		return err
	}
	for _, m := range messages {
		if m.Header.Type != unix.NLMSG_ERROR || len(m.Data) < 4 {
			continue
		}
		if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
			return syscall.Errno(-code)
		}
		return nil
	}
	return errors.New("the kernel did not answer")
}
