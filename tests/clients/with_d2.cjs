// d2, the older library of DHIS2's apps: asks for schemas, rights and settings before it does anything.
const assert = require('node:assert/strict')
const { init, config } = require('d2')

const server = process.argv[2]
const Authorization = 'Basic ' + Buffer.from('mobile:district').toString('base64')

async function main() {
    config.baseUrl = `${server}/api/42`
    config.headers = { Authorization, 'X-Requested-With': 'XMLHttpRequest' }
    const d2 = await init({
        baseUrl: `${server}/api/42`,
        headers: { Authorization, 'X-Requested-With': 'XMLHttpRequest' },
        schemas: ['messageConversation'],
    })
    assert.equal(d2.currentUser.username, 'mobile')
    assert.equal(d2.currentUser.authorities.has('M_dhis-web-messaging'), true)
    assert.equal(d2.system.version.major, 2)

    const api = d2.Api.getApi()
    const listed = await api.get('messageConversations', {
        fields: 'id,displayName,read',
        filter: ['messageType:eq:PRIVATE'],
        pageSize: 2,
        order: 'lastMessage:desc',
    })
    assert.equal(listed.pager.pageSize, 2)
    assert.equal(listed.messageConversations.length, 2)

    const sent = await api.post('messageConversations', {
        subject: 'From d2',
        text: 'Hello.',
        users: [{ id: 'xE7jOejl9FI' }],
    })
    assert.equal(sent.httpStatusCode, 201)
    const found = await api.get('messageConversations', { filter: ['subject:eq:From d2'], fields: 'id,read' })
    const [{ id, read }] = found.messageConversations
    assert.equal(read, true)
    await api.post(`messageConversations/${id}`, 'And bye.', { headers: { 'Content-Type': 'text/plain' } })
    assert.deepEqual(await api.post('messageConversations/unread', [id]), { markedUnread: [id] })
    assert.deepEqual(await api.post('messageConversations/read', [id]), { markedRead: [id] })
    const whole = await api.get(`messageConversations/${id}`, { fields: '*,messages[text,sender[displayName]]' })
    assert.deepEqual(whole.messages, [
        { text: 'Hello.', sender: { displayName: 'Mobile User' } },
        { text: 'And bye.', sender: { displayName: 'Mobile User' } },
    ])
    assert.deepEqual(await api.delete(`messageConversations/${id}/${d2.currentUser.id}`), {
        removed: [d2.currentUser.id],
    })
    await assert.rejects(api.get(`messageConversations/${id}`), { httpStatusCode: 403 })
}

main().catch(error => {
    console.error(error)
    process.exit(1)
})
